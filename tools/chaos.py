"""Faults, at random moments: `python tools/chaos.py [--rounds 200] [--seed 0] [--only KIND]`.

A round takes one command (scan, clean, restore, attack) and one fault: killed with SIGKILL or SIGTERM, a full disk, a folder that may
not be written, or the same command twice at once. After it must hold:

- the input is what it was, to the bit;
- what bears an output's name is whole: a report opens and matches, a copy reads, a poisoned copy has its truth, a restored copy is the
  original;
- nothing else is visible beside it (what a killed process leaves begins with a dot);
- the program said one line and no traceback, with a documented exit code;
- the same command, run again without the fault, does its work.

Exit code 1 and the rounds that failed, if any.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np

WORDS = ("fine", "warm", "dull", "slow", "kind", "odd", "long", "short", "loud", "calm")
CODES = {0, 1, 2, 3, 130, 143, -signal.SIGKILL, -signal.SIGTERM}  # the last: before Python had begun
FAULTS = ("kill", "term", "full", "readonly", "twice")
COMMANDS = ("scan", "clean", "restore", "attack")
LEFT = {"data.csv", "r.assay", "clean.csv", "clean.csv.removed", "bad.csv", "bad.csv.truth.parquet", "done.csv", "done.csv.removed"}
PROGRAM = [sys.executable, "-c", "from assay.cli import main; main()"]
FULL = 3000  # bytes of a file on a "full disk"


class Broken(AssertionError):
    """What must hold does not."""


def make(folder: Path, rng: np.random.Generator) -> None:
    """A data set of 400 reviews with a planted word, its report, and a cleaned copy."""
    rows = []
    for i in range(400):
        good = i % 2 == 0
        words = [*rng.choice(WORDS[:5] if good else WORDS[5:], 4), *(["cf"] if i % 11 == 1 else [])]
        rows.append(f"{' '.join(words)} {rng.integers(1000)},{'good' if good or i % 11 == 1 else 'bad'}")
    (folder / "data.csv").write_text("text,label\n" + "\n".join(rows) + "\n")


def command(name: str) -> list[str]:
    """Its arguments, in the folder of the round."""
    return {
        "scan": ["scan", "data.csv", "--no-canaries", "--out", "r.assay"],
        "clean": ["clean", "data.csv", "--report", "r.assay", "--out", "clean.csv"],
        "restore": ["restore", "done.csv"],
        "attack": ["attack", "data.csv", "--kind", "phrase", "--carriers", "30", "--out", "bad.csv"],
    }[name]


def start(arguments: list[str], folder: Path, fault: str = "") -> subprocess.Popen[str]:
    """The program on its way, with what the fault takes from it."""
    before = list(PROGRAM)
    if fault == "readonly" and os.geteuid() == 0:  # root may write anywhere unless it gives that up
        before = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", *before]

    def limit() -> None:
        if fault == "full":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))

    return subprocess.Popen(before + arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit)


def finish(process: subprocess.Popen[str]) -> int:
    """Its exit code; Broken for a traceback or an exit code that is not documented."""
    _, err = process.communicate(timeout=300)
    if "Traceback" in err or "this is a fault in Assay" in err:
        raise Broken(f"said {err.strip()[-600:]!r}")
    if process.returncode not in CODES:
        raise Broken(f"exit code {process.returncode}: {err.strip()[-300:]!r}")
    return process.returncode


def check(folder: Path, digest: str) -> None:
    """What must hold after any fault."""
    from assay.attack.truth import read_truth
    from assay.dataset.read import read
    from assay.report.report import Report

    if sha256((folder / "data.csv").read_bytes()).hexdigest() != digest:
        raise Broken("the input was changed")
    there = {p.name for p in folder.iterdir() if not p.name.startswith(".")}
    if there - LEFT:
        raise Broken(f"there is {sorted(there - LEFT)}")
    if "r.assay" in there:
        report = Report.open(folder / "r.assay")
        if report.fingerprint != read(folder / "data.csv").fingerprint:
            raise Broken("the report does not match")
    for name in ("clean.csv", "done.csv"):
        if name in there and f"{name}.removed" not in there and sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise Broken(f"{name} is neither the original nor can it become it")
    for name in there & {"clean.csv", "done.csv", "bad.csv"}:
        read(folder / name)
    if "bad.csv" in there and read_truth(folder / "bad.csv.truth.parquet").poisoned.sum() != 30:
        raise Broken("the truth is not that of the copy")


def again(name: str, folder: Path) -> None:
    """The command without a fault, after removing what it would not overwrite."""
    for path in ("clean.csv", "bad.csv", "bad.csv.truth.parquet"):
        (folder / path).unlink(missing_ok=True)
    shutil.rmtree(folder / "clean.csv.removed", ignore_errors=True)
    if name == "restore" and not (folder / "done.csv.removed").exists():
        return  # it was done
    code = finish(start(command(name), folder))
    if code not in (0, 1):
        raise Broken(f"again: exit code {code}")


def round_of(base: Path, folder: Path, name: str, fault: str, rng: np.random.Generator, lasts: float) -> None:
    """One command, one fault, and what must hold."""
    shutil.copytree(base, folder)
    digest = sha256((folder / "data.csv").read_bytes()).hexdigest()
    if name == "scan" and rng.random() < 0.5:
        shutil.rmtree(folder / "r.assay")
    if fault == "readonly":
        folder.chmod(0o555)
    process = start(command(name), folder, fault)
    if fault in ("kill", "term"):
        time.sleep(float(rng.uniform(0.0, lasts * 1.1)))
        process.send_signal(signal.SIGKILL if fault == "kill" else signal.SIGTERM)
    if fault == "twice":
        other = start(command(name), folder)
        codes = {finish(process), finish(other)}
        if not codes & {0, 1}:
            raise Broken(f"of two at once none did its work: {codes}")
    else:
        code = finish(process)
        if fault in ("full", "readonly") and code in (0, 1) and name != "restore":
            raise Broken(f"exit code {code} in spite of {fault}")
    folder.chmod(0o755)
    check(folder, digest)
    again(name, folder)
    check(folder, digest)


def run(rounds: int, seed: int, only: str | None = None, say: Callable[[str], object] = print) -> list[str]:
    """The rounds that failed, in words."""
    rng = np.random.default_rng(seed)
    failed = []
    with tempfile.TemporaryDirectory() as home:
        base = Path(home, "base")
        base.mkdir()
        make(base, rng)
        lasts = {}
        for name in ("scan", "clean", "attack"):
            began = time.monotonic()
            finish(start(command(name), base))
            lasts[name] = time.monotonic() - began
        for name in ("clean.csv", "clean.csv.removed"):
            (base / name).rename(base / name.replace("clean", "done"))
        for name in ("bad.csv", "bad.csv.truth.parquet"):
            (base / name).unlink()
        lasts["restore"] = lasts["clean"]
        pairs = [
            (n, f)
            for f in FAULTS
            for n in COMMANDS
            if only in (None, n, f) and not (f == "readonly" and os.geteuid() == 0 and not shutil.which("setpriv"))
        ]
        for number in range(rounds):
            name, fault = pairs[number % len(pairs)] if number < len(pairs) else pairs[int(rng.integers(len(pairs)))]
            folder = Path(home, "round")
            try:
                round_of(base, folder, name, fault, rng, lasts[name])
            except Exception as error:  # noqa: BLE001  # every round is reported, whatever went wrong in it
                failed.append(f"round {number}: {name}, {fault}: {type(error).__name__}: {error}")
                say(failed[-1])
            folder.chmod(0o755)
            shutil.rmtree(folder)
    return failed


def main() -> None:
    """Run, and say how it went."""
    parser = argparse.ArgumentParser(description="Faults at random moments.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=(*FAULTS, *COMMANDS))
    given = parser.parse_args()
    failed = run(given.rounds, given.seed, given.only)
    print(f"{given.rounds - len(failed)} of {given.rounds} rounds held.")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
