"""kill -9 at random moments: no acknowledged event is lost, and what is left is a whole log.

A killed process keeps what the kernel has taken over; loss of power is not tested here, but every acknowledged byte has been
through fsync.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from assay.ledger.audit import audit
from assay.ledger.log import Log, Memo
from assay.ledger.note import Signer
from assay.ledger.storage import Folder

SIGNER = Signer.of("example.com/ledger", bytes(range(32)))
WRITER = """
import sys
from pathlib import Path
from assay.ledger.log import Log, Memo
from assay.ledger.note import Signer
from assay.ledger.storage import Folder
folder, run = sys.argv[1], sys.argv[2]
signer = Signer.of("example.com/ledger", bytes(range(32)))
log = Log(Folder(folder), signer.key, signer, Memo(Path(folder + ".last")))
print("ready", flush=True)
for batch in range(10**6):
    first = log.append([f"{run} {batch} {i}".encode() for i in range(1 + batch * 37 % 90)])
    print(batch, first, flush=True)
    if batch % 3 == 0:
        log.publish()
"""


def killed(folder: Path, run: int, wait: float) -> list[tuple[int, int]]:
    """(batch, first number) of everything that the writer had acknowledged when it was killed."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(run)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(wait)
        writer.kill()
        lines = writer.stdout.read().split("\n")[:-1]  # the last, without a newline, was not said to the end
    return [(int(batch), int(first)) for batch, first in map(str.split, lines)]


def kill_and_look(folder: Path, runs: int, rng: np.random.Generator) -> None:
    memo = Memo(Path(f"{folder}.last"))
    Log.create(Folder(folder), SIGNER, memo)
    total = 0
    for run in range(runs):
        said = killed(folder, run, float(rng.uniform(0, 0.25)))
        log = Log(Folder(folder), SIGNER.key, SIGNER, memo)
        audit(log)
        size = log.publish().size
        for batch, first in said:
            expected = [f"{run} {batch} {i}".encode() for i in range(1 + batch * 37 % 90)]
            assert list(log.entries(first, first + len(expected))) == expected
        assert size >= total + sum(1 + batch * 37 % 90 for batch, _ in said)
        total = size
    audit(Log(Folder(folder), SIGNER.key), memo.read(SIGNER.key))


def test_killed_a_few_times(tmp_path: Path) -> None:
    kill_and_look(tmp_path / "ledger", 4, np.random.default_rng(3))


@pytest.mark.full
def test_killed_two_hundred_times(tmp_path: Path) -> None:
    kill_and_look(tmp_path / "ledger", 200, np.random.default_rng(4))
