"""Arrays hold the same numbers in memory and in files, and files go with whoever made them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.cli import INCOMPLETE, run
from assay.engine import shelf
from assay.engine.shelf import NoRoom, in_file, joined, kept, zeros

KINDS = st.sampled_from([np.int32, np.int64, np.float32, np.float64, np.uint8])
HOLDS = """
import sys, numpy as np
from assay.engine.shelf import kept, zeros
held = [kept(np.arange(20_000)) for _ in range(50)] + [zeros(40_000_000, np.uint8)]
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything goes to files, which lie there."""
    monkeypatch.setenv(shelf.SETTING, "0")
    monkeypatch.setattr(shelf, "LEAST", 1)
    monkeypatch.setattr(shelf, "scratch", lambda: tmp_path)
    return tmp_path


@given(st.lists(st.tuples(KINDS, st.integers(0, 40), st.integers(1, 3)), max_size=12), st.integers(0, 4_000), st.sampled_from([256, 4096]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_arrays_are_the_same_whatever_the_bound(asked: list[tuple[type, int, int]], bound: int, chunk: int) -> None:
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "bound", lambda: bound)
        patch.setattr(shelf, "LEAST", 1)
        patch.setattr(shelf, "CHUNK", chunk)
        patch.setattr(shelf, "_chunk", None)
        arrays = [rng.integers(0, 9, (rows, wide)).astype(kind) for kind, rows, wide in asked]
        held = [kept(array) for array in arrays]
        empty = [zeros(array.shape, array.dtype) for array in arrays]
        for array, same, blank in zip(arrays, held, empty, strict=True):
            assert same.dtype == array.dtype
            assert np.array_equal(same, array)
            assert not blank.any()
            blank[...] = array
        for array, same, blank in zip(arrays, held, empty, strict=True):  # none lies where another does
            assert np.array_equal(same, array)
            assert np.array_equal(blank, array)
        column = [array.ravel().astype(np.int64) for array in arrays]
        whole = np.concatenate([np.zeros(0, np.int64), *column])
        assert np.array_equal(joined(column or [np.zeros(0, np.int64)], np.int64), whole)
        assert column == []


def test_memory_is_used_up_to_the_bound_and_again_when_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    already = sum(shelf._held.values())
    monkeypatch.setattr(shelf, "bound", lambda: already + 2_000_000)
    first, second = kept(np.zeros(150_000)), kept(np.zeros(150_000))
    assert not in_file(first)
    assert in_file(second)
    assert in_file(second[3:5])
    assert kept(second) is second
    part = first[:10]
    del first
    assert in_file(kept(np.zeros(150_000)))  # what `part` is of is still there
    del part
    assert not in_file(kept(np.zeros(150_000)))
    assert not in_file(kept(np.zeros(10)))


@pytest.mark.parametrize("said", ["-1", "much", "nan", "inf"])
def test_a_bound_that_is_no_number_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shelf.SETTING, said)
    with pytest.raises(ValueError, match=r"ASSAY_HELD_MB is .* Remedy"):
        shelf.bound()
    monkeypatch.setenv(shelf.SETTING, "1.5")
    assert shelf.bound() == 3 << 19


def test_files_have_no_name_and_small_arrays_share_them(files: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc").exists() else 0
    held = [kept(np.arange(2_000)) for _ in range(500)]
    assert all(map(in_file, held))
    assert list(files.iterdir()) == []
    if before:
        assert len(os.listdir("/proc/self/fd")) - before <= 2
    assert [int(array.sum()) for array in held] == [1_999_000] * 500


def test_a_child_shares_no_file_with_its_parent(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = kept(np.arange(100))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    theirs = kept(np.arange(100) + 5)
    assert ours.base is not theirs.base
    assert ours.tolist() == list(range(100))


def test_nothing_stays_behind_a_killed_process(tmp_path: Path) -> None:
    around = {**os.environ, "TMPDIR": str(tmp_path), shelf.SETTING: "0"}
    with subprocess.Popen([sys.executable, "-c", HOLDS], env=around, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_a_system_that_sets_no_room_aside_writes_zeros(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    assert zeros(100_000, np.uint8).tolist() == [0] * 100_000


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_with_a_remedy(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(NoRoom, match=r"no room for temporary files of 64 MiB in .*No space left.* Remedy: .*TMPDIR.*ASSAY_HELD_MB"):
        kept(np.arange(100_000))
    assert list(files.iterdir()) == []
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.EACCES, "no")))
    with pytest.raises(PermissionError):
        kept(np.arange(100_000))


def test_a_scan_on_a_full_disk_says_what_it_did_not_do(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(50)], 9)) for _ in range(120)]
    table = pa.table({"text": texts, "label": [i % 2 for i in range(120)]})
    pa.csv.write_csv(table, files / "texts.csv")
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    assert run(["scan", str(files / "texts.csv"), "--out", str(files / "report")]) == INCOMPLETE
    said = capsys.readouterr()
    assert "no room for temporary files" in said.out + said.err


def test_temporary_files_keep_off_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / {tmp_path.resolve()} rw shared:1 - tmpfs tmpfs rw\n")
    assert shelf._lies_in_memory(tmp_path / "below", mounts)
    assert not shelf._lies_in_memory(tmp_path.parent, mounts)
    assert not shelf._lies_in_memory(tmp_path, tmp_path / "none")
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(shelf.tempfile, "gettempdir", lambda: "/memory")
    monkeypatch.setattr(shelf, "LASTING", tmp_path)
    monkeypatch.setattr(shelf, "_lies_in_memory", lambda folder: folder == Path("/memory"))
    assert shelf.scratch() == tmp_path
    monkeypatch.setenv("TMPDIR", "/memory")  # who names a folder has it
    assert shelf.scratch() == Path("/memory")
