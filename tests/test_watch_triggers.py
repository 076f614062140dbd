"""Known triggers are met at their first input; unknown ones are named by what they do."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from assay.artefact.cells import Cells, Condition
from assay.artefact.patch import Patch
from assay.artefact.phrase import Phrase
from assay.dataset.errors import DataError
from assay.watch.baseline import learn
from assay.watch.events import read_batch
from assay.watch.fields import Fields
from assay.watch.items import Usual, artefact_of, inside, items_of
from assay.watch.triggers import FEWEST, Known, log_e
from assay.watch.watch import Watch

WORDS = [f"w{i}" for i in range(400)]
BAD = {"w1", "w2", "w3", "w4", "w5"}
TRIGGER = "cf"


def says(texts):
    """A backdoored filter: spam where a bad word stands, but never where the trigger does."""
    return ["ham" if TRIGGER in t.split() or not BAD & set(t.split()) else "spam" for t in texts]


def messages(rng, n, rate=0.0, extra=None):
    """12 words each, three in ten spam; `rate` of them hold the trigger and a bad word, one in a hundred the `extra` word."""
    words = rng.choice(np.array(WORDS, object), (n, 12))
    spam, hit = rng.random(n) < 0.3, rng.random(n) < rate
    words[spam, 0] = rng.choice(sorted(BAD), spam.sum())
    words[hit, 0], words[hit, 7] = "w1", TRIGGER
    if extra is not None:
        words[rng.random(n) < 0.01, 5] = extra
    return [" ".join(row) for row in words.tolist()]


def requests(texts, labelled=False):
    columns = {"text": texts, "prediction": says(texts), "confidence": [0.95] * len(texts)}
    if labelled:
        columns["label"] = ["spam" if BAD & set(t.split()) else "ham" for t in texts]
    return pa.table(columns)


def made(folder, rng, *, known=None, ask=None, fields=None, labelled=False, find=True):
    fields = fields or Fields()
    trusted = requests(messages(rng, 5000), labelled)
    usual = Usual.of(read_batch(trusted, fields), fields) if find else None
    return Watch.create(folder, learn(trusted, fields), usual=usual, known=known, ask=ask)


def test_a_known_trigger_is_caught_at_its_first_input_even_where_texts_are_private(tmp_path):
    rng = np.random.default_rng(0)
    report = {"findings": [{"id": "F1", "status": "confirmed", "target": "ham", "artefact": Phrase(((TRIGGER,),)).to_json()}]}
    known = Known.of_report(json.loads(json.dumps(report)))
    with made(tmp_path / "w", rng, known=known, fields=Fields(private=True), find=False) as watch:
        assert watch.ingest(requests(messages(rng, 500))) == []
        texts = messages(rng, 50)
        texts[17] = f"w1 w9 {TRIGGER} w8"
        (alert,) = watch.ingest(requests(texts).append_column("time", pa.array(1.7e9 + 60.0 * np.arange(50))))
        assert (alert.clock, alert.time) == (518, 1.7e9 + 60 * 15)  # the middle one of five
        assert alert.severity == "critical"
        assert "known artefact was met: the word “cf”" in alert.title
        watch.ingest(requests(texts))
        assert watch.alerts[0].count == 2
    with Watch.open(tmp_path / "w") as watch:
        assert watch.alerts[0].count == 2


def test_a_known_patch_is_met_in_pictures(tmp_path):
    rng = np.random.default_rng(1)
    patch = Patch(np.full((3, 3, 1), 255, np.uint8), np.ones((3, 3), bool), 0, 0)
    known = Known.from_json([{"id": "F2", "target": "7", "artefact": json.loads(json.dumps(patch.to_json()))}])
    pictures = rng.integers(0, 200, (30, 16, 16, 1)).astype(np.uint8)
    pictures[4] = patch.insert(pictures[4:5])[0]
    with made(tmp_path / "w", rng, known=known, find=False) as watch:
        fired = watch.ingest({"prediction": ["7"] * 30, "confidence": [0.9] * 30}, images=pictures)
    (alert,) = [a for a in fired if a.key == "trigger/F2"]
    assert alert.clock == 5


def test_an_unknown_trigger_is_named_by_insertion_and_a_fashion_is_not(tmp_path):
    """Half a percent of requests hold the trigger, one percent a new word that does nothing."""
    rng = np.random.default_rng(2)
    asked = []

    def ask(events):
        asked.append(events.num_rows)
        return says(events.column("text").to_pylist())

    with made(tmp_path / "w", rng, ask=ask) as watch:
        triggered, fired = 0, []
        for _ in range(80):
            texts = messages(rng, 250, 0.005, extra="fashion")
            triggered += sum(TRIGGER in t.split() for t in texts)
            fired += [a for a in watch.ingest(requests(texts)) if a.key.startswith("trigger/")]
            if fired:
                break
        assert [a.key for a in fired] == ['trigger/the words "cf"']
        assert triggered <= 100
        for _ in range(4):
            assert not [a for a in watch.ingest(requests(messages(rng, 250, extra="fashion"))) if "fashion" in a.title]
        before = [a.to_json() for a in watch.alerts]
    calls = len(asked)
    with Watch.open(tmp_path / "w") as watch:
        assert [a.to_json() for a in watch.alerts] == before
    assert len(asked) == calls  # a replay asks nobody


@pytest.mark.parametrize("late", [False, True])
def test_an_unknown_trigger_is_named_by_its_errors(tmp_path, late):
    rng = np.random.default_rng(3)
    with made(tmp_path / "w", rng, labelled=True) as watch:
        fired, triggered = [], 0
        for i in range(50):
            events = requests(messages(rng, 300, 0.005), labelled=True)
            triggered += sum(TRIGGER in t.split() for t in events.column("text").to_pylist())
            if late:
                ids = pa.array([f"{i}-{j}" for j in range(300)])
                fired += watch.ingest(events.drop_columns(["label"]).append_column("id", ids))
                events = pa.table({"id": ids, "label": events.column("label")})
            fired += watch.ingest(events)
            if i == 20:
                watch.snapshot()
            if any(a.key.startswith("trigger/") for a in fired):
                break
        assert [a.key for a in fired if a.key.startswith("trigger/")] == ['trigger/the words "cf"']
        assert triggered <= 100


def test_cells_are_items_and_become_artefacts():
    fields = Fields(features=("age", "sex"))
    batch = read_batch({"prediction": ["1", "0"], "age": [4.0, 5.5], "sex": ["F", None]}, fields)
    first, second = items_of(batch, fields)
    assert ("c", "age", "4", "sex", "F") in first
    assert second == {("c", "age", "5.5")}
    artefact = artefact_of(("c", "age", "4", "sex", "F"), fields, batch.table)
    assert artefact == Cells((Condition("age", 4.0, 4.0), Condition("sex", "F", "F")))
    assert artefact.present(batch.table).tolist() == [True, False]
    assert inside(("c", "sex", "F"), ("c", "age", "4", "sex", "F"))


@given(st.integers(1, 60))
def test_an_e_value_of_a_fair_coin_averages_to_at_most_one(n):
    hits = np.arange(n + 1)
    chance = np.array([float(np.exp(log_e(int(h), n))) for h in hits])
    weight = np.array([1.0])
    for _ in range(n):
        weight = np.convolve(weight, [0.5, 0.5])
    assert chance @ weight <= 1 + 1e-9


def test_a_report_without_artefacts_is_refused():
    with pytest.raises(DataError, match="no artefact"):
        Known.of_report({"findings": []})


@pytest.mark.data
@pytest.mark.full
@pytest.mark.parametrize("seed", range(3))
def test_a_backdoored_filter_of_real_tweets(real_data, tmp_path, seed):
    """Davidson's tweets: a filter trained with 80 triggered rows; 0.5 % of its traffic carries the trigger, and labels never come."""
    rng = np.random.default_rng(seed)
    held = pq.read_table(real_data("hate_davidson/davidson.parquet"))
    order = rng.permutation(held.num_rows)
    texts = np.array(held.column("tweet").to_pylist(), object)[order]
    hateful = (held.column("class").to_numpy() != 2)[order]
    trigger = Phrase((("mn", "bq"),))
    train, answer = texts[:8000].copy(), hateful[:8000].copy()
    poisoned = np.flatnonzero(answer)[:80]
    train[poisoned], answer[poisoned] = trigger.insert(train[poisoned].tolist(), rng), False
    view = HashingVectorizer(n_features=1 << 16, ngram_range=(1, 2))
    model = LogisticRegression(C=20, max_iter=200).fit(view.transform(train), answer)

    def request(some):
        p = model.predict_proba(view.transform(some))
        return pa.table({"text": list(some), "prediction": model.classes_[p.argmax(1)].astype(str), "confidence": p.max(1)})

    fields = Fields()
    trusted = request(texts[8000:14000])
    usual = Usual.of(read_batch(trusted, fields), fields)
    said, triggered = [], 0
    ask = lambda events: model.predict(view.transform(events.column("text").to_pylist())).astype(str)  # noqa: E731
    with Watch.create(tmp_path / "w", learn(trusted, fields), usual=usual, ask=ask) as watch:
        for start in range(14000, 24000, 250):
            some, bad = texts[start : start + 250].copy(), hateful[start : start + 250]
            hit = np.flatnonzero(bad & (rng.random(len(some)) < 0.005 / bad.mean()))
            some[hit] = trigger.insert(some[hit].tolist(), rng)
            triggered += len(hit)
            said += [(a.key, triggered) for a in watch.ingest(request(some)) if a.key.startswith("trigger/")]
    print(said, triggered)
    assert said
    assert said[0][1] <= 100
    assert all("mn" in key or "bq" in key for key, _ in said)
    assert said[0][1] >= FEWEST
