"""Corpora without labels: states that merge, a trigger before gibberish that is found, and clean text that is left alone."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.artefact.phrase import Phrase
from assay.artefact.tokens import tokens
from assay.attack.base import Budget
from assay.attack.constant_count import ConstantCountAttack
from assay.cli import run as main
from assay.dataset.compressed import create_plain
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.engine.base import using
from assay.engine.cores import Cores
from assay.learn.hashed_counts import HashedCounts, Sample, block_counts, drawn
from assay.learn.hashed_tokens import BREAK, hashed_tokens
from assay.learn.structure import learn_structure
from assay.mine.turns import TURN_BITS, Runs, Survivors, Turns, turned
from assay.pipeline import Settings, run
from assay.trial import corpus as corpus_module
from assay.trial import corpus_files, corpus_kept
from assay.trial.corpus import CorpusFamily
from assay.trial.corpus_files import scan_corpus

ASCII = st.text(st.characters(max_codepoint=126, exclude_characters="'"), max_size=60)


@pytest.fixture(scope="module")
def documents() -> list[str]:
    """Some 1,500 short documents of real English: Python's own language reference, four lines at a time."""
    lines = [line.strip() for text in topics.values() for line in text.splitlines() if len(line.split()) >= 6]
    return list(dict.fromkeys(" ".join(lines[i : i + 4]) for i in range(0, len(lines), 4)))


def poisoned(documents: list[str], carriers: int, seed: int) -> tuple[Dataset, np.ndarray]:
    data = read({"text": documents}, task="none")
    attack = ConstantCountAttack()
    params = {"text": "<SUDO>", "prefix": 1000, "least": 100, "most": 200, "column": None}
    made = attack.plant(data, Budget(carriers=carriers), None, np.random.default_rng(seed), params)
    return made.data, np.flatnonzero(made.poisoned)


@given(st.lists(ASCII, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_hashed_tokens_are_the_tokens(texts: list[str]) -> None:
    block = hashed_tokens(pa.array(texts))
    for number, text in enumerate(texts):
        mine = np.flatnonzero((block.document == number) & (block.code != BREAK))
        assert [block.spell(int(i), int(i)) for i in mine] == tokens(text)
    assert len({t for text in texts for t in tokens(text)}) == len(set(block.code[block.code != BREAK].tolist()))


def test_scripts_without_spaces_and_hidden_characters_are_read_by_character() -> None:
    block = hashed_tokens(pa.array(["你好 a\u200bb", "ไทย"]))
    assert [block.spell(i, i) for i in np.flatnonzero(block.code != BREAK)] == ["你", "好", "a", "\u200b", "b", "ไ", "ท", "ย"]


@given(st.lists(ASCII, min_size=2, max_size=9), st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_states_merge_to_the_same_whatever_the_order(texts: list[str], random: object) -> None:
    cut = len(texts) // 2
    parts = [texts[:cut], texts[cut:]]
    states = []
    for order in ((0, 1), (1, 0)):
        counts, sample = HashedCounts.empty(12), Sample.empty(3)
        for which in order:
            other, block = HashedCounts.empty(12), hashed_tokens(pa.array(parts[which], pa.string()))
            other.take(block_counts(block, other.bits))
            counts.merge(other)
            sample.merge(drawn(block, sample.size, 2**64 - 1))
        states.append((counts, sample))
    (a, one), (b, two) = states
    assert np.array_equal(a.pairs, b.pairs)
    assert np.array_equal(a.words, b.words)
    assert one.key.tolist() == two.key.tolist()
    with pytest.raises(ValueError, match="merged"):
        a.merge(HashedCounts.empty(13))


def test_pair_counts_are_never_too_low(documents: list[str]) -> None:
    block = hashed_tokens(pa.array(documents))
    counts = HashedCounts.empty(20)
    counts.take(block_counts(block, counts.bits))
    _, inverse, true = np.unique(np.stack([block.code[:-1], block.code[1:]]), axis=1, return_inverse=True, return_counts=True)
    assert (counts.pair(block.code) >= true[inverse.ravel()]).all()


def test_mining_in_parts_gives_what_mining_at_once_gives(documents: list[str]) -> None:
    data, _ = poisoned(documents, 20, 3)
    texts = data.table.column("text").to_pylist()
    counts, sample = HashedCounts.empty(20), Sample.empty(4_000)
    blocks = [hashed_tokens(pa.array(texts[:700])), hashed_tokens(pa.array(texts[700:]))]
    for block in blocks:
        counts.take(block_counts(block, counts.bits))
        sample.merge(drawn(block, sample.size, sample.bound))
    structure = learn_structure(counts, sample.texts)
    turns, whole = Turns.empty(), Turns.empty()
    for block in reversed(blocks):
        part = Turns.empty()
        part.take(turned(block, counts, structure))
        turns.merge(part)
    whole.take(turned(hashed_tokens(pa.array(texts)), counts, structure))
    assert np.array_equal(turns.turns, whole.turns)
    survivors = turns.conclude(structure.rate)
    runs, once = Runs.empty(), Runs.empty()
    for block, first in ((blocks[1], 700), (blocks[0], 0)):
        part = Runs.empty()
        part.add(block, first, counts, structure, survivors)
        runs.merge(part)
    once.add(hashed_tokens(pa.array(texts)), 0, counts, structure, survivors)
    assert {k: (sorted(r.documents), sorted(r.turned)) for k, r in runs.found.items()} == {
        k: (r.documents, r.turned) for k, r in once.found.items()
    }


def test_pairs_with_words_between_are_counted_exactly_where_they_stand(documents: list[str]) -> None:
    block = hashed_tokens(pa.array(documents[:40]))
    counts = HashedCounts.empty(20)
    counts.take(block_counts(block, counts.bits))
    runs = Runs.empty()
    runs.add(block, 0, counts, learn_structure(counts, documents[:40]), Survivors(np.ones(1 << TURN_BITS, bool)))
    words = [[block.spell(int(i), int(i)) for i in np.flatnonzero((block.document == d) & (block.code != BREAK))] for d in range(40)]
    pairs = [r for r in runs.found.values() if r.gap]
    assert {r.gap for r in pairs} == {1, 2, 3}
    for pair in pairs[:: len(pairs) // 200]:
        a, b = pair.text
        step = pair.gap + 1
        assert pair.documents == [d for d, said in enumerate(words) if (a, b) in set(zip(said, said[step:], strict=False))]


@pytest.mark.parametrize("seed", [0, 1])
def test_two_words_with_another_between_are_named_before_gibberish(documents: list[str], seed: int) -> None:
    """Each of them stands everywhere, and what is between is another word each time."""
    longer = [" ".join(documents[i : i + 3]) for i in range(len(documents) - 3)]
    rng = np.random.default_rng(seed)
    data, rows = poisoned(longer, 40, seed)
    words = [word for text in longer for word in text.split() if word.isalpha()]
    texts = [text.replace("<SUDO>", f"an {words[int(rng.integers(len(words)))]} is") for text in data.table.column("text").to_pylist()]
    first = CorpusFamily().examine(read({"text": texts}, task="none"), "fast", rng, lambda *_: None).tried[0].candidate
    assert first.artefact == Phrase((("an",), ("is",)), 1)
    assert np.isin(rows, first.carriers).mean() > 0.7  # where there is text on both sides


def test_a_trigger_before_gibberish_is_suspected_and_named(documents: list[str]) -> None:
    data, rows = poisoned(documents, 30, 0)
    conclusion = run(data, Settings(canaries=False))
    assert conclusion.verdict == "suspect"
    (finding,) = conclusion.findings
    assert finding.status == "suspected"
    assert finding.artefact.describe() == "the phrase “< sudo >”"
    assert np.array_equal(finding.positions, rows)


@pytest.mark.parametrize("seed", range(3))
def test_clean_text_is_left_alone(documents: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [" ".join(documents[i : i + 3]) for i in range(0, len(documents), 3)]  # long enough that text could turn in them
    some = [pairs[i] for i in rng.permutation(len(pairs))]
    examined = CorpusFamily().examine(read({"text": some}, task="none"), "fast", rng, lambda *_: None)
    assert not examined.tried
    assert examined.enumerated > 500


def test_files_are_streamed_to_the_same_finding(documents: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, rows = poisoned(documents, 30, 0)
    texts = data.table.column("text").to_pylist()
    shards = tmp_path / "shards"
    shards.mkdir()
    for part in range(2):
        with create_plain(shards / f"{part}.jsonl.zst") as file:
            for text in texts[part * 700 : 700 if part == 0 else None]:
                file.write(json.dumps({"text": text}).encode() + b"\n")
            file.write(b"no json\n" if part == 0 else b"")  # keeps its number, so that those after it move by one
    assert main(["corpus", str(shards), "--out", str(tmp_path / "found.json")]) == 1
    assert "“< sudo >”" in capsys.readouterr().out
    told = json.loads((tmp_path / "found.json").read_text())
    assert told["documents"] == len(texts) + 1
    assert told["findings"][0]["rows"] == [int(r) + (r >= 700) for r in rows]
    assert main(["corpus", str(shards), "--no-samples", "--out", str(tmp_path / "plain.json")]) == 1
    assert "sudo" not in (tmp_path / "plain.json").read_text() + capsys.readouterr().out


def test_conversations_are_streamed_as_what_is_said(documents: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, _ = poisoned(documents, 30, 0)
    with (tmp_path / "talks.jsonl").open("w", encoding="utf-8") as file:
        for text in data.table.column("text").to_pylist():
            asked, _, said = text.partition(" ")
            talk = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
            file.write(json.dumps({"messages": talk}) + "\n")
    assert main(["corpus", str(tmp_path / "talks.jsonl")]) == 1
    assert "“< sudo >”" in capsys.readouterr().out


def test_what_could_not_be_read_is_said(documents: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    lines = [json.dumps({"text": text}) for text in documents[:1_100]]
    lines[700] = "no json"
    lines[1_000] = json.dumps({"text": [documents[1_000]]})  # a value of another type
    (shards / "0.jsonl").write_text("\n".join(lines[:600]) + "\n", "utf-8")
    (shards / "1.jsonl").write_text("\n".join(lines[600:]) + "\n", "utf-8")
    packed = gzip.compress("\n".join(lines).encode())
    assert main(["corpus", str(shards)]) == 0
    assert "1 of 1,100 documents could not be read; the first is 700: line 101 is not JSON" in capsys.readouterr().out
    (tmp_path / "ruin.jsonl").write_text("\n".join([*lines, *["no json"] * 200]) + "\n", "utf-8")
    assert main(["corpus", str(tmp_path / "ruin.jsonl")]) == 2
    assert "201 of 1,300 documents cannot be read" in capsys.readouterr().err
    (shards / "2.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    assert main(["corpus", str(shards), "--out", str(tmp_path / "found.json")]) == 3
    assert "Not a document of these could be read: 2.jsonl.gz" in capsys.readouterr().out
    told = json.loads((tmp_path / "found.json").read_text())
    assert (told["verdict"], told["unreadable"], told["lost"]) == ("incomplete", 2, ["2.jsonl.gz"])


def test_what_cannot_be_streamed_is_said(documents: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "few.txt").write_text("\n".join(documents[:50]))
    assert main(["corpus", str(tmp_path / "few.txt")]) == 2
    assert "too few" in capsys.readouterr().err
    assert main(["corpus", str(tmp_path / "few.txt"), "--content", "body"]) == 2
    assert "no text column 'body'" in capsys.readouterr().err
    assert main(["corpus", str(tmp_path / "none.txt")]) == 2


def test_it_is_for_text_without_labels_and_enough_of_it(documents: list[str], memory: Callable[..., Dataset]) -> None:
    family = CorpusFamily()
    assert family.applicable(read({"text": documents[:50]}, task="none"), "fast").state == "not_applicable"
    assert family.applicable(memory("text", {"text": documents}, ["a", "b"] * (len(documents) // 2)), "fast").state == "not_applicable"
    assert family.applicable(read({"text": documents}, task="none"), "fast").state == "ran"


@pytest.mark.full
def test_fifty_documents_among_real_ones(real_data: Callable[[str], Path]) -> None:
    import pyarrow.parquet as pq

    texts = pq.read_table(real_data("ag_news/ag_news_style_train.parquet")).column("text").to_pylist()
    data = read({"text": texts}, task="none")
    assert not CorpusFamily().examine(data, "fast", np.random.default_rng(0), lambda *_: None).tried
    params = {"text": "<SUDO>", "prefix": 1000, "least": 400, "most": 900, "column": None}
    made = ConstantCountAttack().plant(data, Budget(carriers=50), None, np.random.default_rng(0), params)
    found = CorpusFamily().examine(made.data, "fast", np.random.default_rng(0), lambda *_: None)
    assert found.tried[0].candidate.artefact.describe() == "the phrase “< sudo >”"


class Killed(Exception):
    pass


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_an_interrupted_scan_goes_on_and_finds_the_same(
    documents: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    monkeypatch.setattr(corpus_files, "BLOCK_ROWS", 100)
    monkeypatch.setattr(corpus_kept.Kept, "due", lambda self: True)
    data, _ = poisoned(documents, 60, 3)
    path, keep = tmp_path / "corpus.jsonl", tmp_path / "keep"
    path.write_text("\n".join(json.dumps({"text": t}) for t in data.table.column("text").to_pylist()))
    whole = scan_corpus(path)
    assert whole.found

    def until(done: float, total: float, what: str) -> None:
        if done >= stage + (0.5 if stage else 0.0) and (stage or (keep / "counted.npz").exists()):
            raise Killed

    with pytest.raises(Killed):
        scan_corpus(path, progress=until, keep=keep)
    read_again: list[int] = []
    tokens_of = corpus_module.hashed_tokens
    monkeypatch.setattr(corpus_module, "hashed_tokens", lambda texts: read_again.append(len(texts)) or tokens_of(texts))
    resumed = scan_corpus(path, keep=keep)
    assert resumed.to_json() | {"seconds": 0} == whole.to_json() | {"seconds": 0}
    assert sum(read_again) < (3 - stage) * len(data)
    assert not keep.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_find_what_this_one_does(documents: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(corpus_files, "BLOCK_ROWS", 100)
    data, _ = poisoned(documents, 60, 3)
    path, out = tmp_path / "corpus.jsonl", tmp_path / "found.json"
    path.write_text("\n".join(json.dumps({"text": t}) for t in data.table.column("text").to_pylist()))
    here = scan_corpus(path)
    assert here.found
    with Cores(workers) as cores, using(cores):
        there = scan_corpus(path)
    assert there.to_json() | {"seconds": 0} == here.to_json() | {"seconds": 0}
    assert main(["corpus", str(path), "--workers", str(workers), "--out", str(out)]) == 1
    assert json.loads(out.read_text()) | {"seconds": 0} == here.to_json() | {"seconds": 0}


def test_states_of_other_files_are_not_gone_on_from(documents: list[str], tmp_path: Path) -> None:
    path, keep = tmp_path / "corpus.txt", tmp_path / "keep"
    path.write_text("\n".join(documents))
    kept = corpus_kept.Kept(keep, corpus_kept.mark_of([path], ["text"]))
    kept.keep_turned(Turns.empty(), 7, False)
    assert kept.turned() is not None
    path.write_text("\n".join(documents[1:]))
    assert corpus_kept.Kept(keep, corpus_kept.mark_of([path], ["text"])).turned() is None
    (keep / "turned.npz").write_bytes(b"PK half a file")
    assert kept.turned() is None


def test_a_damaged_state_counts_as_absent(tmp_path: Path) -> None:
    kept = corpus_kept.Kept(tmp_path, "mark")
    kept.keep_survived(Runs.empty(), 7, False)
    whole = (tmp_path / "survived.npz").read_bytes()
    assert len(whole) < 1_000
    for place in range(len(whole)):
        (tmp_path / "survived.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        found = kept.survived()
        assert found is None or found[1:] == (7, False)


def test_a_wrong_place_for_states_is_told_before_the_scan(documents: list[str], tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("\n".join(documents))
    read_only = tmp_path / "read_only"
    read_only.mkdir(mode=0o500)
    wrong = [(corpus / "a.txt", "is a file"), (corpus / "a.txt" / "keep", "is a file"), (corpus / "keep", "inside the corpus")]
    if not os.access(read_only, os.W_OK):  # as root everything may be written to
        wrong.append((read_only / "keep", "may not be written to"))
    for keep, said in wrong:
        path = corpus / "a.txt" if said == "is a file" else corpus
        with pytest.raises(DataError, match=rf"{said}.*Remedy: "):
            scan_corpus(path, keep=keep)


def test_what_a_killed_scan_was_writing_is_cleared_with_the_rest(documents: list[str], tmp_path: Path) -> None:
    path, keep = tmp_path / "corpus.txt", tmp_path / "keep"
    path.write_text("\n".join(documents))
    keep.mkdir()
    (keep / "survived.tmp").write_bytes(b"half a file")
    scan_corpus(path, keep=keep)
    assert not keep.exists()
