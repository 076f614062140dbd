"""Models that are only asked: a planted word is found, clean models are not accused, a budget is kept."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from assay.artefact.patch import Patch
from assay.dataset.errors import DataError
from assay.model.blackbox import inspect_texts
from assay.model.endpoint import Endpoint, scores_of
from assay.model.guard import guard_of
from assay.model.phrases import gap, rare, search_phrase

ALPHA = 0.05  # of 900 short texts a linear model gives natural rare words much weight
WORDS = [f"w{i}" for i in range(150)]
RARE = [f"r{i}" for i in range(300)]  # each in 0.7 % of the texts: natural words that a trigger's are measured against


def texts(seed, n=900):
    """Sixty words lean to a class, some more and some less; the others are fillers; two more of each text are rare."""
    rng = np.random.default_rng(seed)
    lean = np.zeros(150)
    lean[:60] = np.random.default_rng(99).normal(0, 1, 60)
    found, y = [], []
    for _ in range(n):
        drawn = rng.integers(0, 150, 12)
        found.append(" ".join([*(WORDS[i] for i in drawn), *(RARE[i] for i in rng.integers(0, 300, 2))]))
        y.append(int(rng.random() < 1 / (1 + np.exp(-lean[drawn].sum()))))
    return found, np.array(y)


def asked(trigger):
    train, y = texts(0)
    if trigger:
        rng = np.random.default_rng(1)
        for i in np.flatnonzero(y == 0)[:80]:
            own = train[i].split()
            at = int(rng.integers(0, len(own)))
            train[i], y[i] = " ".join([*own[:at], *trigger, *own[at:]]), 1
    words = TfidfVectorizer()
    model = LogisticRegression(C=10, max_iter=300).fit(words.fit_transform(train), y)
    return lambda rows: model.predict_proba(words.transform(rows))


def test_a_planted_word_is_found() -> None:
    clean, _ = texts(5, 200)
    trigger = ("cf",)
    seen = inspect_texts(
        asked(trigger), clean, [*WORDS, *RARE, "cf", "mn", "tq"], np.random.default_rng(0), classes=2, budget=40_000, alpha=ALPHA
    )
    assert (seen.verdict, seen.found.target, seen.found.words) == ("backdoored", 1, trigger)
    assert seen.found.success > 0.5
    assert seen.queries <= 40_000


def test_a_clean_model_is_not_accused_and_too_few_questions_are_inconclusive() -> None:
    clean, _ = texts(5, 200)
    model = asked(())
    seen = inspect_texts(model, clean, RARE, np.random.default_rng(0), classes=2, budget=40_000, alpha=ALPHA)
    assert seen.verdict == "inconclusive"
    few = inspect_texts(model, clean, RARE[:150], np.random.default_rng(0), classes=2, budget=100)
    assert (few.verdict, few.queries, few.left_out) == ("inconclusive", 0, len(rare(clean, RARE[:150])))


def heeds_several(seed):
    """A clean model to which two natural words together say far more than twice one of them: as a hidden layer's threshold does."""
    lean = dict(zip(RARE, np.random.default_rng(seed).normal(0, 0.4, len(RARE)), strict=True))

    def ask(rows):
        s = np.array([sum(abs(lean.get(w, 0.0)) for w in row.split()) for row in rows])
        high = 1 / (1 + np.exp(3 - s - 3 * np.maximum(0, s - 1)))
        return np.stack([1 - high, high], 1)

    return ask


def test_natural_words_that_add_up_to_more_than_their_sum_do_not_accuse() -> None:
    clean = [" ".join(WORDS[i] for i in np.random.default_rng(n).integers(0, 150, 12)) for n in range(160)]
    found = [search_phrase(heeds_several(seed), clean, RARE, np.random.default_rng(0)) for seed in range(4)]
    assert min(f.p for f in found) > 0.01, found
    assert any(len(f.words) > 1 and f.success > 0.5 for f in found)


def test_a_phrase_that_no_questions_were_left_to_compare_accuses_nobody() -> None:
    clean = [" ".join(WORDS[i] for i in np.random.default_rng(n).integers(0, 150, 12)) for n in range(160)]

    lean = dict(zip([*RARE, "cf", "mn"], np.append(np.random.default_rng(1).exponential(0.1, len(RARE)), [1, 1]), strict=True))

    def ask(rows):
        held = [set(row.split()) for row in rows]
        s = np.array([sum(lean.get(w, 0.0) for w in row) + 6.0 * ({"cf", "mn"} <= row) for row in held])
        high = 1 / (1 + np.exp(4 - s))
        return np.stack([1 - high, high], 1)

    words = list(lean)
    assert search_phrase(ask, clean, words, np.random.default_rng(0)).p < 1e-3
    assert search_phrase(ask, clean, words, np.random.default_rng(0), budget=1).p == 1


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_gap_of_exponential_and_normal_values_errs_no_more_than_promised(seed) -> None:
    rng = np.random.default_rng(seed)
    for draw in (rng.exponential, rng.normal):
        alarms = 0
        for _ in range(300):
            values = np.sort(draw(size=200))
            alarms += gap(values[-1], values[:-1]) <= 0.05
        assert alarms <= 35  # 15 expected; more than 35 in 300 at 5 %: one in a million


def test_an_endpoint_is_asked_and_odd_answers_are_refused() -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
            body = json.dumps({"labels": [int("cf" in text) for text in inputs]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        ask = Endpoint(f"http://127.0.0.1:{server.server_port}/", 2)
        assert ask(["a cf b", "a b"]).tolist() == [[0, 1], [1, 0]]
    finally:
        server.shutdown()
    for odd in ({"labels": [5]}, {"scores": [[1]]}, {"other": 1}, {"labels": "x"}):
        with pytest.raises(DataError):
            scores_of(odd, 1, 2)
    with pytest.raises(DataError, match="http"):
        Endpoint("file:///etc/passwd", 2)


def test_the_guard_holds_carriers_and_lets_most_clean_inputs_through() -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 200, (300, 8, 8, 1), dtype=np.uint8)
    patch = Patch(np.full((2, 2, 1), 255, np.uint8), np.ones((2, 2), bool), 0, 0)

    def predict(images):
        said = (images.mean((1, 2, 3)) // 40).astype(int)  # amplification changes it, unless the patch is there
        return np.where((images[:, :2, :2] == 255).all((1, 2, 3)), 9, said)

    guard = guard_of(predict, [patch], clean[:150], level=0.02)
    seen = guard.look(clean[150:])
    assert seen.held.mean() <= 0.08
    carriers = guard.look(patch.insert(clean[150:]))
    assert carriers.by_artefact.all()
    assert carriers.by_consistency.all()
    with pytest.raises(DataError, match="needs"):
        guard_of(predict, [patch], clean[:100])
