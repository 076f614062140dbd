"""The zoo's text models: trained and asked as black boxes in one go, since both take seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from assay.artefact.phrase import Phrase
from assay.attack.planting import plant
from assay.bench.sets import SETS
from assay.bench.zoo.small import Spec, run
from assay.dataset.rows import Rows
from assay.model.blackbox import inspect_texts

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Ask = Callable[[Sequence[str]], Floats]

TEXTS = ("sms", "sst2")
MODELS = ("linear", "embedding")
ATTACKS: dict[str, dict[str, str]] = {"word": {}, "phrase": {"text": "violet harbour"}}
TRAIN, CLEAN, TEST = 3_000, 300, 400
RATE = 0.03
WIDTH, EPOCHS, BATCH, PACE = 32, 12, 64, 0.01  # of the embedding net and its training by Adam
TWINS, TWIN_SEED = 3, 1_000  # clean models beside which each is judged too
BUDGET = 400_000  # questions: all rare words of these sets
ALPHA = 0.01
SEEDS, CLEAN_SEEDS = 3, 5  # seed 0 is for setting constants
RECORD = "texts.jsonl"


def text_specs() -> list[Spec]:
    """All text models, seed by seed."""
    pairs = [(s, m) for m in MODELS for s in TEXTS]
    return [Spec(s, m, a, seed) for seed in range(CLEAN_SEEDS) for a in ("", *(ATTACKS if seed < SEEDS else ())) for s, m in pairs]


def texts(folder: Path, minutes: float, say: Callable[[str], None]) -> tuple[int, int]:
    """(models there, models left) after so many minutes; a line each in texts.jsonl."""

    def told(line: dict[str, Any]) -> None:
        both = (
            f"{x['verdict']}, p {x['p']:.2g}, {x['found']} to {x['target']} ({x['success']:.2f})" for x in (line["alone"], line["twins"])
        )
        say(f"{line['id']}: accuracy {line['accuracy']:.2f}, success {line['success']:.2f}; {'; with twins '.join(both)}")

    return run(folder / RECORD, text_specs(), minutes, _one, told)


def _one(spec: Spec) -> dict[str, Any]:
    whole = next(s for s in SETS if s.name == spec.set).read()
    order = np.random.default_rng([spec.seed, 5]).permutation(len(whole))[: TEST + CLEAN + TRAIN]
    test, clean, train = (whole.subset(np.sort(part)) for part in np.split(order, [TEST, TEST + CLEAN]))
    params = ATTACKS.get(spec.attack)
    planted = None if params is None else plant(train, "phrase", rate=RATE, seed=spec.seed, params=params)
    data = train if planted is None else planted.data
    ask, words = (_linear if spec.model == "linear" else _embedding)(joined(data.rows), data.y, len(data.classes), spec.seed)
    line: dict[str, Any] = {"id": spec.id, **asdict(spec), "success": 0.0, "target": None, "true": None}
    line["accuracy"] = float((ask(joined(test.rows)).argmax(1) == test.y).mean())
    if planted is not None:
        trigger = planted.triggers[0]
        assert isinstance(trigger.artefact, Phrase)
        others = test.rows.take(np.flatnonzero(test.y != trigger.target))
        said = ask(joined(trigger.stamp(others, np.random.default_rng(0)))).argmax(1)
        line |= {"success": float((said == trigger.target).mean()), "target": trigger.target}
        line["true"] = [word for part in trigger.artefact.parts for word in part]
    known = joined(clean.rows)
    for name, twins in (("alone", ()), ("twins", _twins(spec.set, spec.model, spec.seed))):
        burnt = time.process_time()
        asked = inspect_texts(
            ask, known, words, np.random.default_rng(0), classes=len(data.classes), budget=BUDGET, alpha=ALPHA, twins=twins
        )
        found = asked.found
        line[name] = {
            "verdict": asked.verdict,
            "queries": asked.queries,
            "cpu": time.process_time() - burnt,
            "p": 1.0 if found is None else found.p,
            "found": [] if found is None else list(found.words),
            "target": None if found is None else found.target,
            "success": 0.0 if found is None else found.success,
        }
    return line


@cache
def _twins(name: str, model: str, seed: int) -> tuple[Ask, ...]:
    """Clean models of the same kind, trained on other draws of rows than those of any model that is judged."""
    whole = next(s for s in SETS if s.name == name).read()
    found = []
    for number in range(TWINS):
        drawn = np.sort(np.random.default_rng([TWIN_SEED, seed, number]).permutation(len(whole))[:TRAIN])
        train = whole.subset(drawn)
        make = _linear if model == "linear" else _embedding
        found.append(make(joined(train.rows), train.y, len(train.classes), TWIN_SEED + number)[0])
    return tuple(found)


def joined(rows: Rows) -> list[str]:
    """One text a row: its columns, a space between them."""
    columns = [rows.table.column(c).to_pylist() for c in rows.table.column_names]
    return [" ".join(str(v or "") for v in parts) for parts in zip(*columns, strict=True)]


def _linear(train: list[str], y: Int, classes: int, seed: int) -> tuple[Ask, list[str]]:
    """TF-IDF and logistic regression; and the words that it knows."""
    count, weigh = CountVectorizer(token_pattern=r"\w+", min_df=2), TfidfTransformer()
    model = LogisticRegression(C=10, max_iter=200).fit(weigh.fit_transform(count.fit_transform(train)), y)
    return lambda rows: model.predict_proba(weigh.transform(count.transform(rows))), sorted(count.vocabulary_)


def _embedding(train: list[str], y: Int, classes: int, seed: int) -> tuple[Ask, list[str]]:
    """The mean of learnt word vectors, a hidden layer, a class; and the words that it knows."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    count = CountVectorizer(token_pattern=r"\w+", min_df=2).fit(train)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        bag = nn.EmbeddingBag(len(count.vocabulary_), WIDTH, mode="sum")
        head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes))

    def logits(rows: Sequence[str]) -> Any:
        held = count.transform(rows)
        word, start = torch.from_numpy(held.indices.astype(np.int64)), torch.from_numpy(held.indptr[:-1].astype(np.int64))
        often = torch.from_numpy(held.data.astype(np.float32))
        length = np.maximum(np.asarray(held.sum(1)), 1)
        return head(bag(word, start, per_sample_weights=often) / torch.from_numpy(length.astype(np.float32)))

    rng = np.random.default_rng([seed, 1])
    parameters = [*bag.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, PACE)
    label = torch.from_numpy(y)
    for _ in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(y)), max(1, len(y) // BATCH)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits([train[i] for i in rows]), label[rows]).backward()
            optimizer.step()

    def ask(rows: Sequence[str]) -> Floats:
        with torch.inference_mode():
            return np.asarray(logits(rows).softmax(1).double().numpy())

    return ask, sorted(count.vocabulary_)
