"""Faults, at random moments: `python tools/chaos.py [--rounds 200] [--seed 0] [--only KIND]`.

A round takes one command (scan, clean, restore, attack, ledger add) and one fault: killed with SIGKILL or SIGTERM, a full disk, a
folder that may not be written, the same command twice at once, or what `faulty.py` brings about: a clock that jumps, renames and links
that fail as on a network file system, too little memory. After it must hold:

- the input is what it was, to the bit;
- what bears an output's name is whole: a report opens and matches, a copy reads, a poisoned copy has its truth, a restored copy is the
  original, a ledger passes its audit and holds all that it acknowledged;
- nothing else is visible beside it (what a killed process leaves begins with a dot);
- the program said one line and no traceback, with a documented exit code;
- the same command, run again without the fault, does its work.

Processes are forked from this one, which has imported and used all that the commands need: a round costs a second, not ten, and what is
hit is the work, not Python's beginning. (With no right to write, the program is begun anew by `setpriv`, where this runs as root.)

Too little memory is the one fault that a library may not survive: an allocation that fails within C or C++ code ends the process (SIGABRT,
SIGSEGV, SIGTRAP). Such rounds are counted apart; what was written must be whole in them too.

`--state FILE` adds the rounds to those counted there, so that figures add up over runs: rounds, held, and CPU seconds for each fault.
Exit code 1 and the rounds that failed, if any.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import faulty
from assay import cli

WORDS = ("fine", "warm", "dull", "slow", "kind", "odd", "long", "short", "loud", "calm")
CODES = {0, 1, 2, 3, 130, 143, -signal.SIGKILL, -signal.SIGTERM}  # the last: before Python had begun
INJECTED = ("clock", "rename", "memory")  # by faulty.py
FAULTS = ("kill", "term", "full", "readonly", "twice", *INJECTED)
COMMANDS = ("scan", "clean", "restore", "attack", "ledger")
LEFT = {"data.csv", "r.assay", "clean.csv", "clean.csv.removed", "bad.csv", "bad.csv.truth.parquet", "done.csv", "done.csv.removed"}
LEFT |= {"l", "l.key", "l.key.last"}
LEDGER = (
    ["ledger", "init", "l", "--origin", "example.com/chaos"],
    ["ledger", "source", "add", "l", "s", "--licence", "CC0-1.0", "--contact", "c", "--method", "m"],
    ["ledger", "approve", "l", "s", "--as", "l.key", "--expires", "2999-01-01"],
)
LONGEST = 300  # seconds that a command may take
DIED = {-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGTRAP}  # of C and C++ code that was refused memory
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


def make_ledger(folder: Path) -> None:
    """A ledger in `l` with an approved source."""
    for arguments in LEDGER:
        code = finish(start(arguments, folder))
        if code:
            raise Broken(f"{arguments[:2]}: exit code {code}")


def rehearse(folder: Path) -> None:
    """Every kind of command once in this process, in a copy of the folder: what they import is there before any fork."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as home, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        copy = Path(shutil.copytree(folder, Path(home, "rehearsal")))
        os.chdir(copy)
        try:
            for arguments in (command("scan"), command("clean"), ["restore", "clean.csv"], command("attack"), *LEDGER, command("ledger")):
                if cli.run(arguments) not in (0, 1):
                    raise Broken(f"{arguments[0]} does not work at all")
        finally:
            os.chdir(before)


def command(name: str) -> list[str]:
    """Its arguments, in the folder of the round."""
    return {
        "scan": ["scan", "data.csv", "--no-canaries", "--out", "r.assay"],
        "clean": ["clean", "data.csv", "--report", "r.assay", "--out", "clean.csv"],
        "restore": ["restore", "done.csv"],
        "ledger": ["ledger", "add", "l", "data.csv", "--source", "s"],
        "attack": ["attack", "data.csv", "--kind", "phrase", "--carriers", "30", "--out", "bad.csv"],
    }[name]


class Child:
    """A forked process that runs a command in a folder, with what the fault takes from it."""

    def __init__(self, arguments: list[str], folder: Path, fault: str, seed: int) -> None:
        self._out, end = os.pipe()
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << 20)  # all that is said fits in, so that nobody need read meanwhile
        self.pid = os.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.dup2(end, 1)
            os.dup2(end, 2)
            os._exit(_run(arguments, fault, seed))
        os.close(end)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def finish(self) -> tuple[int, str]:
        """(exit code, below 0 for a signal; what was said)."""
        until = time.monotonic() + LONGEST
        while not (found := os.waitpid(self.pid, os.WNOHANG))[0]:
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise Broken(f"did not end within {LONGEST} s")
            time.sleep(0.01)
        with open(self._out, "rb") as said:
            return os.waitstatus_to_exitcode(found[1]), said.read().decode("utf-8", "replace")


def _run(arguments: list[str], fault: str, seed: int) -> int:
    """In the child: its exit code."""
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", write_through=True) for number in (1, 2))
    try:
        if fault == "full":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))
        elif fault in INJECTED:
            faulty.FAULTS[fault](np.random.default_rng(seed))
        with threadpool_limits(1):  # the threads of the process that forked are not here, and OpenMP would wait for them
            return cli.run(arguments)
    except BaseException:  # noqa: BLE001  # whatever it is, the round is told of it
        traceback.print_exc()
        return 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


class Anew:
    """The program begun anew without root's right to write anywhere."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        rights = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner"] if os.geteuid() == 0 else []
        command = [*rights, *PROGRAM, *arguments]
        self._process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.send_signal = self._process.send_signal

    def finish(self) -> tuple[int, str]:
        said, _ = self._process.communicate(timeout=LONGEST)
        return self._process.returncode, said


def start(arguments: list[str], folder: Path, fault: str = "", seed: int = 0) -> Child | Anew:
    """The program on its way."""
    return Anew(arguments, folder) if fault == "readonly" else Child(arguments, folder, fault, seed)


def finish(process: Child | Anew, fault: str = "") -> int:
    """Its exit code; Broken for a traceback or an exit code that is not documented."""
    code, said = process.finish()
    if fault == "memory" and code in DIED:
        return code
    if "Traceback" in said or "this is a fault in Assay" in said:
        raise Broken(f"said {said.strip()[-900:]!r}")
    if code not in CODES:
        raise Broken(f"exit code {code}: {said.strip()[-300:]!r}")
    return code


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
    check_ledger(folder / "l")
    if "bad.csv" in there and read_truth(folder / "bad.csv.truth.parquet").poisoned.sum() != 30:
        raise Broken("the truth is not that of the copy")


def check_ledger(folder: Path) -> None:
    """Its audit passes, the journal read; as many rows as it acknowledged, or all: a killed process acknowledged nothing."""
    from assay.ledger.audit import audit
    from assay.ledger.beside import check_beside
    from assay.ledger.ledger import Ledger

    ledger = Ledger.open(folder)
    try:
        audit(ledger.log)
        check_beside(ledger)
    finally:
        ledger.close()


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


def round_of(base: Path, folder: Path, name: str, fault: str, rng: np.random.Generator, lasts: float) -> bool:
    """One command, one fault, and what must hold; whether the process died of C code that was refused memory."""
    shutil.copytree(base, folder)
    digest = sha256((folder / "data.csv").read_bytes()).hexdigest()
    if name == "scan" and rng.random() < 0.5:
        shutil.rmtree(folder / "r.assay")
    if fault == "readonly":
        folder.chmod(0o555)
    process = start(command(name), folder, fault, int(rng.integers(1 << 31)))
    died = False
    if fault in ("kill", "term"):
        time.sleep(float(rng.uniform(0.0, lasts * 1.1)))
        process.send_signal(signal.SIGKILL if fault == "kill" else signal.SIGTERM)
    if fault == "twice":
        other = start(command(name), folder)
        codes = {finish(process), finish(other)}
        if not codes & {0, 1}:
            raise Broken(f"of two at once none did its work: {codes}")
    else:
        code = finish(process, fault)
        died = code in DIED
        if fault in ("full", "readonly") and code in (0, 1) and name not in ("restore", "ledger"):
            raise Broken(f"exit code {code} in spite of {fault}")
        if fault == "clock" and code not in (0, 1):
            raise Broken(f"exit code {code} because the clock jumped")
    folder.chmod(0o755)
    check(folder, digest)
    again(name, folder)
    check(folder, digest)
    return died


@dataclass
class Tally:
    """Rounds with one fault, over all runs."""

    rounds: int = 0
    held: int = 0
    died: int = 0  # of those that held: C or C++ code was refused memory and ended the process
    cpu_seconds: float = 0.0


def add_up(state: Path, new: dict[str, Tally]) -> dict[str, Tally]:
    """The counts in the file and the new ones, written there."""
    old = json.loads(state.read_text()) if state.exists() else {}
    total = {fault: Tally(**old.get(fault, {})) for fault in FAULTS}
    for fault, more in new.items():
        kept = total[fault]
        total[fault] = Tally(
            kept.rounds + more.rounds, kept.held + more.held, kept.died + more.died, round(kept.cpu_seconds + more.cpu_seconds, 1)
        )
    state.write_text(json.dumps({fault: asdict(one) for fault, one in total.items()}, indent=1) + "\n")
    return total


def run(
    rounds: int, seed: int, only: str | None = None, say: Callable[[str], object] = print, *, minutes: float = 1e9
) -> tuple[list[str], dict[str, Tally]]:
    """The rounds that failed, in words, and the counts by fault; no round is begun after so many minutes."""
    rng = np.random.default_rng(seed)
    failed: list[str] = []
    tally: dict[str, Tally] = defaultdict(Tally)
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as home:
        base = Path(home, "base")
        base.mkdir()
        make(base, rng)
        lasts = {}
        rehearse(base)
        for name in ("scan", "clean", "attack"):
            began = time.monotonic()
            finish(start(command(name), base))
            lasts[name] = time.monotonic() - began
        for name in ("clean.csv", "clean.csv.removed"):
            (base / name).rename(base / name.replace("clean", "done"))
        for name in ("bad.csv", "bad.csv.truth.parquet"):
            (base / name).unlink()
        lasts["restore"] = lasts["clean"]
        make_ledger(base)
        lasts["ledger"] = lasts["clean"]
        pairs = [
            (n, f)
            for f in FAULTS
            for n in COMMANDS
            if only in (None, n, f) and not (f == "readonly" and os.geteuid() == 0 and not shutil.which("setpriv"))
        ]
        for number in range(rounds):
            name, fault = pairs[number % len(pairs)] if number < len(pairs) else pairs[int(rng.integers(len(pairs)))]
            if time.monotonic() > end:
                break
            folder = Path(home, "round")
            before, one = cpu_seconds(), tally[fault]
            one.rounds += 1
            try:
                one.died += round_of(base, folder, name, fault, rng, lasts[name])
                one.held += 1
            except Exception as error:  # noqa: BLE001  # every round is reported, whatever went wrong in it
                failed.append(f"round {number}: {name}, {fault}: {type(error).__name__}: {error}")
                say(failed[-1])
            one.cpu_seconds += cpu_seconds() - before
            folder.chmod(0o755)
            shutil.rmtree(folder)
    return failed, dict(tally)


def cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def main() -> None:
    """Run, and say how it went."""
    parser = argparse.ArgumentParser(description="Faults at random moments.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=(*FAULTS, *COMMANDS))
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no round after so many minutes")
    parser.add_argument("--state", type=Path, help="file to which the counts are added")
    given = parser.parse_args()
    failed, tally = run(given.rounds, given.seed, given.only, lambda text: print(text, flush=True), minutes=given.minutes)
    print(f"{sum(one.held for one in tally.values())} of {sum(one.rounds for one in tally.values())} rounds held.")
    for fault, one in (add_up(given.state, tally) if given.state else tally).items():
        died = f"; {one.died} of them died in C or C++ code, nothing half-written" if one.died else ""
        print(f"  {fault}: {one.held} of {one.rounds} held, {one.cpu_seconds:.0f} CPU s{died}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
