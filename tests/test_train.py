"""`assay train`: every defence end to end, files without code, a drill with twins, and a configuration that is read strictly."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from assay import cli
from assay.dataset.data import Columns
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.report.act import same
from assay.report.report import Report
from assay.train.config import EXAMPLE, read_config
from assay.train.features import features_for
from assay.train.run import fit_on, split, train
from assay.train.saved import Model, member, model_of
from assay.train.twins import drill
from train_examples import write_reviews


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """reviews.csv (700 rows of 35 contributors) and cells.csv (breast cancer, with a column of text)."""
    place = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    write_reviews(place, 700, 35, rng)
    cancer = load_breast_cancer()
    cells = {str(name).replace(" ", "_"): cancer.data[:, i] for i, name in enumerate(cancer.feature_names[:8])}
    site = np.array(["left", "right"])[rng.integers(0, 2, len(cancer.target))]
    table = pa.table({**cells, "site": site, "outcome": np.array(["malignant", "benign"])[cancer.target]})
    pa.csv.write_csv(table, place / "cells.csv")
    return place


def configured(folder, name, data, defence, learner="linear", more=""):
    path = folder / f"{name}.toml"
    about = {"reviews.csv": 'label = "label"\ncontent = ["text"]\ncontributor = "user"', "cells.csv": 'label = "outcome"'}[data]
    path.write_text(
        f'schema = "assay.train/1"\n[data]\npath = "{data}"\n{about}\n[model]\nlearner = "{learner}"\n[defence]\n{defence}\n{more}\n'
    )
    return path


@pytest.mark.parametrize(
    ("data", "learner", "defence"),
    [
        ("reviews.csv", "linear", 'kind = "none"'),
        ("reviews.csv", "linear", 'kind = "trimmed"\nshare = 0.05'),
        ("reviews.csv", "linear", 'kind = "partitioned"\npartitions = 15\nby = "contributor"'),
        ("reviews.csv", "linear", 'kind = "partitioned"\npartitions = 7\nelection = "run-off"'),
        ("cells.csv", "boosting", 'kind = "none"'),
        ("cells.csv", "forest", 'kind = "trimmed"\nshare = 0.05'),
        ("cells.csv", "linear", 'kind = "partitioned"\npartitions = 5\nspread = 3'),
        ("cells.csv", "boosting", 'kind = "partitioned"\npartitions = 5'),
    ],
)
def test_a_saved_model_says_what_the_estimator_said(folder, tmp_path, data, learner, defence) -> None:
    config = read_config(configured(folder, "same", data, defence, learner))
    source = config.sections["data"]
    columns = Columns(tuple(source.get("content", ())), (source["label"],), contributor=source.get("contributor"))
    lesson = split(config, read(config.data, columns=columns, task="classification"), None)
    _, estimator = fit_on(config, lesson.train, lesson.features)
    model_of(estimator, lesson.features, lesson.train.classes).save(tmp_path)
    again, x = Model.load(tmp_path), lesson.features.of(lesson.held_out.rows)
    assert (again.predict(lesson.held_out.rows) == estimator.predict(x)).all()
    if hasattr(estimator, "certify"):
        assert (again.certify(lesson.held_out.rows).radius == estimator.certify(x).radius).all()
    assert (again.predict(lesson.held_out.rows) == lesson.held_out.y).mean() > 0.85


def test_the_command_writes_a_model_a_record_and_a_curve(folder, tmp_path, capsys) -> None:
    path = configured(folder, "curve", "reviews.csv", 'kind = "partitioned"\npartitions = 15\nby = "contributor"')
    out = tmp_path / "model"
    assert cli.run(["train", str(path), "--out", str(out)]) == 0
    assert "certified accuracy, by contributors" in capsys.readouterr().out
    record = json.loads((out / "record.json").read_text())
    shares = [point["share"] for point in record["certified"]["curve"]]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == record["accuracy"]["share"]
    assert record["data"]["fingerprint"] == read(folder / "reviews.csv").fingerprint
    assert sorted(p.name for p in out.iterdir()) == ["dealt.parquet", "model.json", "model.npz", "record.json"]
    with np.load(out / "model.npz", allow_pickle=False) as held:
        assert not any(held[name].dtype.hasobject for name in held.files)
    assert cli.run(["train", str(path), "--out", str(out)]) == 2  # nothing is overwritten
    again = tmp_path / "again"
    assert cli.run(["train", str(path), "--out", str(again)]) == 0
    assert (again / "record.json").read_bytes() == (out / "record.json").read_bytes()


def test_a_model_of_the_commonest_class_alone_is_said_to_be_one(tmp_path, capsys) -> None:
    write_reviews(tmp_path, 300, 6, np.random.default_rng(0))
    lines = (tmp_path / "reviews.csv").read_text("utf-8").splitlines()
    bad = [line for line in lines[1:] if '"bad"' in line][:8]
    (tmp_path / "reviews.csv").write_text("\n".join([lines[0], *(line for line in lines[1:] if '"bad"' not in line), *bad]) + "\n", "utf-8")
    assert (
        cli.run(
            [
                "train",
                str(configured(tmp_path, "few", "reviews.csv", 'kind = "partitioned"\npartitions = 60')),
                "--out",
                str(tmp_path / "model"),
            ]
        )
        == 0
    )
    assert "every held-out row is called 'good'" in capsys.readouterr().out
    assert json.loads((tmp_path / "model/record.json").read_text("utf-8"))["one_class"] == "good"


def test_a_report_weighs_planted_rows_nothing(folder, tmp_path) -> None:
    """A phrase is planted in a copy, the copy is scanned, and the weighted model no longer obeys the phrase."""
    poisoned = tmp_path / "poisoned.csv"
    attack = ["attack", str(folder / "reviews.csv"), "--kind", "phrase", "--carriers", "40", "--target", "good", "--out", str(poisoned)]
    assert cli.run([*attack, "--param", "text=cf", "--content", "text", "--label", "label"]) == 0
    scan = ["scan", str(poisoned), "--content", "text", "--label", "label", "--out", str(tmp_path / "p.assay"), "--no-canaries"]
    assert cli.run(scan) == 1
    path = tmp_path / "weighted.toml"
    head = 'schema = "assay.train/1"\n[data]\npath = "poisoned.csv"\nlabel = "label"\n[defence]\n'
    path.write_text(head + 'kind = "weighted"\nreport = "p.assay"\n')
    outcome = train(read_config(path))
    assert outcome.record["report"]["quarantined"] >= 35
    assert outcome.lesson.weights is not None
    bad = ["dull cf the plot", "awful stale cf story", "boring cf city"]
    rows = outcome.lesson.held_out.rows.take(np.arange(3)).with_column("text", bad)
    assert [outcome.model.classes[c] for c in outcome.model.predict(rows)] == ["bad"] * 3
    other = tmp_path / "other.toml"
    other.write_text(path.read_text().replace("poisoned.csv", str(folder / "reviews.csv")))
    with pytest.raises(
        DataError, match=r"is not what was scanned: there is no column 'text' to be the content, and the report in .* is of"
    ):
        same(folder / "cells.csv", Report.open(tmp_path / "p.assay"), tmp_path / "p.assay")
    with pytest.raises(DataError, match="is not what was scanned"):
        train(read_config(other))


def test_a_drill_tells_the_defended_twin_from_the_undefended(folder) -> None:
    more = '[drill]\nkind = "phrase"\nrate = 0.06\ntarget = "good"\nparams = {text = "cf"}'
    config = read_config(configured(folder, "drill", "reviews.csv", 'kind = "weighted"\nreport = "none"', more=more))
    columns = Columns(("text",), ("label",), contributor="user")
    data = read(config.data, columns=columns, task="classification")
    shown = drill(config, split(config, data, None))
    models = shown["models"]
    assert models["undefended"]["attack_success"]["share"] > 0.5
    assert models["defended"]["attack_success"]["share"] < 0.1
    assert models["defended"]["accuracy"]["share"] > 0.9


def test_a_private_table_needs_bounds_and_shows_epsilon(folder, tmp_path, capsys) -> None:
    defence = 'kind = "private"\nepsilon = 4.0\ndelta = 1e-4'
    assert cli.run(["train", str(configured(folder, "unbounded", "cells.csv", defence)), "--out", str(tmp_path / "none")]) == 2
    assert "lies within" in capsys.readouterr().err
    names = [n for n in (folder / "cells.csv").read_text().splitlines()[0].replace('"', "").split(",") if n not in ("site", "outcome")]
    tops = [30, 40, 200, 2500, 0.2, 0.4, 0.5, 0.3]
    bounds = "[features.bounds]\n" + "\n".join(f"{name} = [0, {top}]" for name, top in zip(names, tops, strict=True))
    out = tmp_path / "private"
    assert cli.run(["train", str(configured(folder, "bounded", "cells.csv", defence, more=bounds)), "--out", str(out)]) == 0
    told = json.loads((out / "record.json").read_text())["private"]
    assert told["epsilon"] <= 4.0
    raised = [point["probability"] for point in told["is raised to at most"]]
    assert raised == sorted(raised)
    assert raised[-1] <= 1
    assert "epsilon 4.000" in capsys.readouterr().out


def test_pictures(memory, tmp_path) -> None:
    x, y = load_digits(return_X_y=True)
    pictures = (x[:900].reshape(-1, 8, 8) * 15).astype(np.uint8)
    data = memory("image", pictures, y[:900])
    path = tmp_path / "c.toml"
    path.write_text('schema = "assay.train/1"\n[data]\npath = "x"\nlabel = "label"\n[defence]\nkind = "partitioned"\npartitions = 5\n')
    config = read_config(path)
    lesson = split(config, data, None)
    model, _ = fit_on(config, lesson.train, lesson.features)
    assert (model.predict(lesson.held_out.rows) == lesson.held_out.y).mean() > 0.85


def test_the_example_is_a_configuration(tmp_path) -> None:
    path = tmp_path / "train.toml"
    path.write_text(EXAMPLE)
    assert read_config(path).defence == "partitioned"


@pytest.mark.parametrize(
    ("defence", "says"),
    [
        ('kind = "trimed"', "kind 'trimed'"),
        ('kind = "trimmed"', "needs 'share'"),
        ('kind = "none"\nshare = 0.1', "no 'share'"),
        ('kind = "trimmed"\nshare = 2', "between 0 and 1"),
        ('kind = "partitioned"\npartitions = 0', "1 or more"),
        ('kind = "private"\nepsilon = true\ndelta = 1e-6', "not a number"),
    ],
)
def test_a_misspelt_defence_is_an_error(folder, defence, says) -> None:
    with pytest.raises(DataError, match=says):
        read_config(configured(folder, "wrong", "reviews.csv", defence))


def test_a_damaged_model_is_an_error(tmp_path) -> None:
    with pytest.raises(DataError, match=r"holds no model\.json"):
        Model.load(tmp_path / "nothing")
    (tmp_path / "model.json").write_text('{"schema": "assay.model/1"}')
    with pytest.raises(DataError, match=r"holds no model\.npz"):
        Model.load(tmp_path)
    np.savez(tmp_path / "model.npz", x=np.zeros(1))
    with pytest.raises(DataError, match="holds no model that"):
        Model.load(tmp_path)


def test_trees_that_were_changed_to_run_in_circles_are_not_followed(folder, tmp_path) -> None:
    outcome = train(read_config(configured(folder, "circle", "cells.csv", 'kind = "none"', "boosting")))
    outcome.model.save(tmp_path)
    with np.load(tmp_path / "model.npz", allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    inner = int(np.flatnonzero(arrays["0.left"] >= 0)[-1])
    arrays["0.left"][inner] = arrays["0.root"][0]
    np.savez_compressed(tmp_path / "model.npz", **arrays)
    with pytest.raises(DataError, match="runs in circles"):
        Model.load(tmp_path).predict(outcome.lesson.held_out.rows)


def test_trees_that_split_by_category_are_not_saved_as_what_they_are_not() -> None:
    x = np.random.default_rng(0).integers(0, 5, (300, 1)).astype(float)
    model = make_pipeline(FunctionTransformer(), HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]))
    with pytest.raises(DataError, match="by category"):
        member(model.fit(x, (x[:, 0] % 2).astype(int)), np.arange(2))


def test_features_of_a_row_depend_on_that_row_alone(memory) -> None:
    """What certificates and epsilon rest on: the same row has the same features whatever rows stand beside it."""
    rng = np.random.default_rng(0)
    x, y = load_digits(return_X_y=True)
    words = np.array(["good", "bad", "fine", "poor", "film", "plot"])
    sets = (
        memory("image", (x[:40] * 15).astype(np.uint8).reshape(-1, 8, 8), y[:40]),
        memory("text", {"text": [" ".join(rng.choice(words, 5)) for _ in range(40)]}, y[:40] % 2),
        memory("table", {"a": rng.normal(size=40), "b": [str(v) for v in rng.choice(words, 40)]}, y[:40] % 2),
    )
    for data in sets:
        features = features_for(data, None, {}, private=False)
        whole = features.of(data.rows)
        for rows in ([7], [3, 20, 21], [39, 0]):
            alone = features.of(data.rows.take(np.array(rows)))
            assert abs(whole[rows] - alone).max() < 1e-12
