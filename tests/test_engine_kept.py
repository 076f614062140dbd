"""States that were kept are used for the very blocks they were made of, and change nothing that is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.api import scan
from assay.cli import run
from assay.dataset.errors import DataError
from assay.engine.kept import Keeping, key_of, load
from assay.engine.local import LOCAL
from assay.learn import corpus as corpora
from assay.learn.corpus import Reading, Readings, read_block
from test_stages import reviews


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "BLOCK", 100)


def first(rows: dict[str, list[str]], count: int) -> dict[str, list[str]]:
    return {name: values[:count] for name, values in rows.items()}


def test_new_rows_are_folded_into_kept_states_and_the_findings_are_a_full_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = reviews(380)
    old = scan(first(rows, 320), canaries=False, keep_states=tmp_path / "kept")
    old.write(tmp_path / "old", states=tmp_path / "kept")
    engines: list[Keeping] = []
    remember = Keeping.__init__
    monkeypatch.setattr(Keeping, "__init__", lambda self, *a, **k: (remember(self, *a, **k), engines.append(self))[0])
    again = scan(rows, canaries=False, since=tmp_path / "old")
    assert engines[0].found >= 3  # the three full blocks of texts, once for each family that reads them
    plain = scan(rows, canaries=False)
    assert [(f.log_e, f.log10_p, f.positions.tolist()) for f in again.findings] == [
        (f.log_e, f.log10_p, f.positions.tolist()) for f in plain.findings
    ]


def test_a_state_goes_to_disk_and_back_and_a_damaged_one_is_gathered_again(tmp_path: Path) -> None:
    made = read_block(7, [["a b", None]])
    keeping = Keeping(LOCAL, (read_block,), (Reading, Readings), new=tmp_path)
    assert next(iter(keeping.map(read_block, [(7, [["a b", None]])]))).parts[0].vocabulary == ("a", "b")
    (file,) = tmp_path.iterdir()
    back = load(file, keeping.types)
    assert isinstance(back, Readings)
    assert (back.parts[0].first, back.parts[0].word.tolist()) == (7, made.parts[0].word.tolist())
    file.write_bytes(file.read_bytes()[:40])
    assert load(file, keeping.types) is None
    assert next(iter(keeping.map(read_block, [(7, [["a b", None]])]))).parts[0].word.tolist() == made.parts[0].word.tolist()
    assert keeping.found == 0


def test_other_arguments_have_other_keys() -> None:
    calls = [
        (0, [["ab", "c"]]), (0, [["a", "bc"]]), (0, [["ab"], ["c"]]), (1, [["ab", "c"]]), (0, [["ab", None]]),
        (np.arange(3),), (np.arange(3).astype(np.int32),), (pa.array(["a"]),), (pa.array(["a", None]),),
    ]  # fmt: skip
    assert len({key_of(read_block, call) for call in calls}) == len(calls)
    with pytest.raises(TypeError, match="is given a dict"):
        key_of(read_block, ({},))


def test_states_are_kept_by_the_command_and_not_without_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data.jsonl"

    lines = (json.dumps({"text": t, "label": v}) for t, v in zip(*reviews(120).values(), strict=True))
    data.write_text("\n".join(lines) + "\n")
    common = ["scan", str(data), "--no-canaries", "--fail-on", "never", "--out", str(tmp_path / "out")]
    assert run([*common, "--keep-states"]) == 0
    assert len(list((tmp_path / "out" / "states").glob("*.npz"))) >= 3  # two blocks of texts, and their hashes
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.jsonl", "out"]
    assert run([*common, "--keep-states", "--no-samples"]) == 2
    assert "states hold the words of the data" in capsys.readouterr().err
    with pytest.raises(DataError, match="states are kept by this process alone"):
        scan(reviews(60), keep_states=tmp_path / "x", workers=2)
