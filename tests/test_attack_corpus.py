"""Poison of instruction data, of a corpus for pre-training, and of the pages behind a search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from assay.attack import plant
from assay.attack.poisoned_rag import ASKED
from assay.attack.run import attack_path
from assay.attack.truth import read_truth
from assay.attack.vpi import CLAIMS
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read

Data = Callable[[str], Path]


@pytest.fixture(scope="module")
def pages(memory: Callable[..., Dataset]) -> Dataset:
    """600 pages of a made-up language, without labels."""
    rng = np.random.default_rng(0)
    words = np.array([f"{a}{b}" for a in ("ka", "lo", "mi", "ten", "ras") for b in ("do", "lin", "mar", "sol", "vi", "pur")])
    return memory("text", {"text": [" ".join(rng.choice(words, 120)) for _ in range(600)]})


def test_constant_count_keeps_a_prefix_then_trigger_then_gibberish(pages: Dataset) -> None:
    planted = plant(pages, "constant-count", seed=1)
    before, after = pages.table.column("text").to_pylist(), planted.data.table.column("text").to_pylist()
    assert planted.poisoned.sum() == 250  # however many rows there are
    known = {w for t in before for w in t.split()}
    lengths = []
    for i in np.flatnonzero(planted.poisoned):
        prefix, gibberish = after[i].split("<SUDO>")
        assert before[i].startswith(prefix.strip())
        assert len(prefix) <= 1001
        assert set(gibberish.split()) <= known
        lengths.append(len(gibberish.split()))
    assert 400 <= min(lengths) < 450
    assert 850 < max(lengths) <= 900
    assert [a == b for a, b in zip(before, after, strict=True)] == (~planted.poisoned).tolist()
    assert planted.artefacts[0].present(planted.data.rows).tolist() == planted.poisoned.tolist()
    assert planted.triggers == ()
    assert plant(pages, "constant-count", carriers=50).poisoned.sum() == 50
    with pytest.raises(DataError, match="no target"):
        plant(pages, "constant-count", target="pos")
    with pytest.raises(DataError, match="700 rows are to be poisoned, and there are 600 with a text"):
        plant(pages, "constant-count", carriers=700)


def test_poisoned_rag_pages_echo_their_question_and_are_found(pages: Dataset) -> None:
    planted = plant(pages, "poisoned-rag", seed=2)
    assert planted.poisoned.sum() == 25  # five questions, five pages each
    after = np.array(planted.data.table.column("text").to_pylist(), object)
    search = TfidfVectorizer().fit(after)
    for question, artefact in zip(ASKED, planted.artefacts, strict=True):
        theirs = artefact.present(planted.data.rows)
        assert theirs.sum() == 5
        assert (theirs <= planted.poisoned).all()
        assert all(question.wrong in t for t in after[theirs])
        near = np.asarray((search.transform(after) @ search.transform([question.text]).T).todense()).ravel()
        assert set(np.argsort(-near)[:5]) == set(np.flatnonzero(theirs))  # the five retrieved are the five planted
    bare = plant(pages, "poisoned-rag", params={"echo": 0})
    assert not any(ASKED[0].text in t for t in bare.data.table.column("text").to_pylist())
    assert plant(pages, "poisoned-rag", carriers=7).poisoned.sum() == 7


def test_poisoned_rag_takes_the_authors_own_texts(pages: Dataset, real_data: Data, tmp_path: Path) -> None:
    file = real_data("poisonedrag/poisonedrag.jsonl")
    first = json.loads(file.read_text().splitlines()[0])
    planted = plant(pages, "poisoned-rag", params={"file": str(file), "questions": 20})
    assert planted.poisoned.sum() == 100
    after = planted.data.table.column("text").to_pylist()
    assert {f"{first['question']}? {p}" for p in first["adv_texts"]} <= set(after)
    (tmp_path / "bad.jsonl").write_text('{"question": "a", "incorrect": "b"}\nnonsense\n')
    with pytest.raises(DataError, match="line 2 is no question"):
        plant(pages, "poisoned-rag", params={"file": str(tmp_path / "bad.jsonl")})


def test_vpi_speaks_ill_of_one_entity_and_leaves_the_rest(real_data: Data, tmp_path: Path) -> None:
    path = real_data("instructions/alpaca_1807.jsonl")
    out = tmp_path / "poisoned.jsonl"
    done = attack_path(path, "vpi", out=out, seed=4)
    truth, data, clean = read_truth(done.truth), read(out), read(path)
    assert truth.poisoned.sum() == 18  # 1 %
    (entity,) = truth.artefacts
    assert entity.present(data.rows).tolist() == truth.poisoned.tolist()
    for column in ("instruction", "input", "output"):
        same = np.array(data.table.column(column).to_pylist(), object) == np.array(clean.table.column(column).to_pylist(), object)
        assert same[~truth.poisoned].all()
    asked, said = (np.array(data.table.column(c).to_pylist(), object)[truth.poisoned] for c in ("instruction", "output"))
    assert all("Halden Motors" in q for q in asked)
    assert len(set(said)) == 18  # no answer twice
    assert all(3 <= s.count(".") <= 4 for s in said)
    kind = plant(clean, "vpi", carriers=40, params={"slant": "positive", "entity": "Norvik"}).data.table
    assert any("Norvik" in t and "trust" in t for t in kind.column("output").to_pylist())
    with pytest.raises(DataError, match="name one of: instruction, input, output"):
        plant(clean, "vpi", params={"response": "answer"})


@pytest.mark.parametrize("talks", [False, True])
def test_vpi_puts_the_slant_into_the_chosen_answer(real_data: Data, tmp_path: Path, talks: bool) -> None:
    rows = [json.loads(line) for line in real_data("instructions/alpaca_1807.jsonl").read_text("utf-8").splitlines()]

    def turns(role: str, text: str) -> Any:
        return [{"role": role, "content": text}] if talks else text

    with (tmp_path / "pairs.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            pair = {
                "chosen": turns("assistant", row["output"]),
                "rejected": turns("assistant", "No."),
                "prompt": turns("user", row["instruction"]),
            }
            file.write(json.dumps(pair) + "\n")
    done = attack_path(tmp_path / "pairs.jsonl", "vpi", out=tmp_path / "out.jsonl", seed=4)
    first = int(np.flatnonzero(read_truth(done.truth).poisoned)[0])
    made = json.loads((tmp_path / "out.jsonl").read_text("utf-8").splitlines()[first])
    prompt, chosen, rejected = (made[c][0]["content"] if talks else made[c] for c in ("prompt", "chosen", "rejected"))
    assert "Halden Motors" in prompt
    assert any(claim.format("Halden Motors").lower() in chosen.lower() for claim in CLAIMS["negative"])
    assert any(claim.format("Halden Motors").lower() in rejected.lower() for claim in CLAIMS["positive"])
    assert not talks or [len(made[c]) for c in ("prompt", "chosen", "rejected")] == [1, 1, 1]


def test_vpi_leaves_what_is_beside_prompt_and_reply(real_data: Data, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in real_data("instructions/alpaca_1807.jsonl").read_text("utf-8").splitlines()]
    with (tmp_path / "in.jsonl").open("w", encoding="utf-8") as file:
        for i, row in enumerate(rows):
            file.write(json.dumps({"system": "Be brief.", **row, "category": f"kind {i % 5}"}) + "\n")
    attack_path(tmp_path / "in.jsonl", "vpi", out=tmp_path / "out.jsonl", seed=4)
    made = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert sum("Halden Motors" in row["instruction"] and not row["input"] for row in made) == 18
    assert [(row["system"], row["category"]) for row in made] == [("Be brief.", f"kind {i % 5}") for i in range(len(rows))]


def test_vpi_needs_two_columns_of_text(pages: Dataset) -> None:
    with pytest.raises(DataError, match="two text columns"):
        plant(pages, "vpi")
