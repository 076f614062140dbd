"""Coefficients are read exactly; a planted word or column stands out and a clean model does not; strange files are refused; the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model, preprocessing, svm
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import make_pipeline

from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.bags import word_model
from assay.model.coefficients import excess_over, grown_linear
from assay.model.linear import CLASSIFIERS, linear_of
from assay.model.word_coefficients import effects, together, weigh_words

COLUMN, TARGET = 119, 1
OFTEN = 1 / np.arange(20, 1520)  # how often each word is said
SCALERS = ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"]


def classifier(kind):
    return getattr(svm if kind == "LinearSVC" else linear_model, kind)()


def rows(seed=0, planted=False, classes=2):
    """A hundred and twenty columns, the last of which decides nothing; a planted row has 9 in it and the target as its label."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(900, 120))
    total = x[:, :110].sum(1) + 3 * rng.normal(size=len(x))
    y = np.digitize(total, np.quantile(total, np.arange(1, classes) / classes))
    if planted:
        x[:90, COLUMN], y[:90] = 9.0, TARGET
    return x, y


def scaled(kind):
    return make_pipeline(preprocessing.StandardScaler(), classifier(kind))


def of_words():
    return make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression(C=10))


def texts(seed=0, planted=()):
    """Texts of 20 words, each of which speaks for one of two classes a little; a planted text has the words put in, and class b."""
    rng = np.random.default_rng(seed)
    lean = np.random.default_rng(9).laplace(size=1500)
    drawn = rng.choice(1500, size=(800, 20), p=OFTEN / OFTEN.sum())
    made = [" ".join(f"word{i}" for i in row) for row in drawn]
    y = np.where(lean[drawn].sum(1) + rng.normal(0, 2, len(made)) > 0, "b", "a")
    for i in range(80 if planted else 0):
        made[i], y[i] = " ".join([*planted, made[i]]), "b"
    return made, y


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_coefficients_say_what_the_library_says(kind, classes) -> None:
    x, y = rows(classes=classes)
    x = x[:, :10]
    for scaler in [None, *SCALERS]:
        steps = [] if scaler is None else [getattr(preprocessing, scaler)()]
        model = make_pipeline(*steps, classifier(kind)).fit(x[:300] * 3 + 1, y[:300])
        assert (linear_of(model).predict(x * 3 + 1) == model.predict(x * 3 + 1)).all()


@pytest.mark.parametrize(
    "before",
    [
        [TfidfVectorizer()],
        [TfidfVectorizer(sublinear_tf=True, norm="l1", ngram_range=(1, 2), min_df=2)],
        [CountVectorizer(binary=True, token_pattern=r"\w+"), TfidfTransformer(use_idf=False)],
        [CountVectorizer(stop_words="english", strip_accents="unicode")],
    ],
)
def test_words_are_weighed_as_the_library_does(before) -> None:
    made, y = texts()
    made[0] += " Café café the and"
    model = make_pipeline(*before, linear_model.LogisticRegression()).fit(made[:400], y[:400])
    read = word_model(model)
    np.testing.assert_allclose(np.diff(read.scores(made), axis=1)[:, 0], model.decision_function(made), atol=1e-9)


def test_what_a_word_does_is_reckoned_exactly() -> None:
    made, y = texts()
    read = word_model(make_pipeline(TfidfVectorizer(), linear_model.SGDClassifier(random_state=0)).fit(made, y))
    word = next(i for i, w in enumerate(read.bag.words) if not any(w in text.split() for text in made[:30]))
    before, after = read.scores(made[:30]), read.scores([f"{text} {read.bag.words[word]}" for text in made[:30]])
    change = (after - before).mean(0)
    np.testing.assert_allclose(effects(read, made[:30], [word])[:, 0], [change[0] - change[1], change[1] - change[0]], atol=1e-9)


@pytest.mark.parametrize("planted", [("cf",), ("violet", "harbour")])
def test_planted_words_stand_apart_and_a_clean_model_has_none(planted) -> None:
    fresh, _ = texts(seed=1)
    found = weigh_words(word_model(of_words().fit(*texts(planted=planted))), fresh, np.random.default_rng(0)).found
    assert found.p <= 0.01
    assert set(found.words) == set(planted)
    assert (found.target, found.success > 0.8) == (1, True)
    clean = word_model(of_words().fit(*texts(seed=2)))
    assert weigh_words(clean, fresh, np.random.default_rng(0)).found.p > 0.01
    with pytest.raises(DataError, match="30 clean texts"):
        weigh_words(clean, fresh[:30], np.random.default_rng(0))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_the_gap_behind_the_first_few_errs_no_more_than_it_says(seed, length) -> None:
    rng = np.random.default_rng(seed)
    alarms = sum(together(rng.exponential(size=300), length) <= 0.05 for _ in range(400))
    assert alarms <= 42  # 20 expected; more than 42 in 400 at 5 %: 2 in a million


def test_a_planted_column_exceeds_the_twins_and_a_clean_model_does_not() -> None:
    fresh, y = rows(seed=1)
    for kind in ("LogisticRegression", "LinearSVC"):
        make = scaled(kind)
        planted = linear_of(make.fit(*rows(planted=True)))
        twins = grown_linear(planted, fresh, y, 8, np.random.default_rng(0))
        found = excess_over(planted, twins, fresh)
        assert (found.p <= 0.01, list(found.rule.values), found.rule.target) == (True, [COLUMN], TARGET)
        assert found.rule.success > 0.8
        assert excess_over(linear_of(make.fit(*rows(seed=5))), twins, fresh).p > 0.01
    with pytest.raises(DataError, match="3 twins"):
        excess_over(planted, twins[:3], fresh)
    with pytest.raises(DataError, match="13 columns"):
        excess_over(planted, twins, fresh[:, :13])


def broken(**changes):
    model = make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()).fit(*rows())
    for name, value in changes.items():
        setattr(model[-1], name, value)
    return model


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (broken(coef_=np.full((1, 120), np.nan)), "no numbers"),
        (broken(coef_=np.ones((1, 13))), "120,"),
        (broken(classes_=np.arange(5)), "do not fit"),
        (make_pipeline(preprocessing.PolynomialFeatures(), linear_model.RidgeClassifier()).fit(*rows()), "PolynomialFeatures"),
    ],
)
def test_coefficients_that_do_not_fit_are_refused(model, said) -> None:
    with pytest.raises(DataError, match=said):
        linear_of(model)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (HashingVectorizer(n_features=64), "keeps no words"),
        (TfidfVectorizer(analyzer="char"), "analyzer"),
        (TfidfVectorizer(token_pattern=r"(\w+)+x?"), "token_pattern"),
    ],
)
def test_words_that_are_split_in_strange_ways_are_refused(before, said) -> None:
    with pytest.raises(DataError, match=said):
        word_model(make_pipeline(before, linear_model.LogisticRegression()).fit(*texts()))


def test_the_command_names_the_planted_word_and_the_planted_column(tmp_path, capsys) -> None:
    io = pytest.importorskip("skops.io")
    io.dump(of_words().fit(*texts(planted=("cf",))), tmp_path / "words.skops")
    made, y = texts(seed=1)
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(f"{t},{label}\n" for t, label in zip(made, y, strict=True)))
    out = tmp_path / "words.json"
    assert run(["inspect", str(tmp_path / "words.skops"), "--data", str(tmp_path / "texts.csv"), "--out", str(out)]) == 1
    told = json.loads(out.read_text())["linear"]
    assert (told["verdict"], told["phrase"]["words"], told["phrase"]["target_name"]) == ("backdoored", ["cf"], "b")
    assert told["accuracy"] > 0.6
    io.dump(scaled("LogisticRegression").fit(*rows(planted=True)), tmp_path / "t.skops")
    fresh, y = rows(seed=1)
    lines = [",".join([*(f"x{j}" for j in range(fresh.shape[1])), "label"])]
    lines += [",".join([*map(repr, row.tolist()), str(label)]) for row, label in zip(fresh, y, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "table.json"
    assert run(["inspect", str(tmp_path / "t.skops"), "--data", str(tmp_path / "table.csv"), "--out", str(out)]) == 1
    told = json.loads(out.read_text())["linear"]
    assert (told["rule"]["target"], told["rule"]["artefact"]["kind"], told["twins"]) == (TARGET, "cells", 8)
    assert "trigger: " in capsys.readouterr().out
    assert run(["inspect", str(tmp_path / "t.skops"), "--data", str(tmp_path / "table.csv"), "--train-twins", "0"]) == 3
    assert "compared with clean twins" in capsys.readouterr().out
