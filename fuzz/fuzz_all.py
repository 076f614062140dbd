"""Every target in turn, and a count that adds up over runs: `python fuzz/fuzz_all.py [--minutes 60] [--slice 60] [TARGET ...]`.

A slice fuzzes the target that has had the least CPU time so far, in a process of its own, and adds what it used to `totals.json`: CPU
seconds (user and system, of the process and its children, as the kernel counts them), executions, and faults. The corpus is kept, so a
slice goes on where the last one stopped. An input that ended a run is copied to `tests/golden/fuzz` under the next free number, where
`tests/test_fuzz_short.py` runs it from then on: mend what it found, and run on. `--table` prints the counts. Exit code 1 after a fault.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOTALS = HERE / "totals.json"
GOLDEN = HERE.parent / "tests" / "golden" / "fuzz"
AIM = 1800.0  # CPU seconds a target
FOUND = re.compile(r"Test unit written to (\S+)")
COUNTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
DONE = re.compile(r"Done (\d+) runs")


@dataclass
class Total:
    """Of one target, over all runs."""

    cpu_seconds: float = 0.0
    executions: int = 0
    slices: int = 0
    faults: int = 0  # slices that a fault ended
    since_fault: float = 0.0  # CPU seconds since the last of them


def read_totals(path: Path = TOTALS) -> dict[str, Total]:
    """The counts so far."""
    return {name: Total(**one) for name, one in json.loads(path.read_text()).items()} if path.exists() else {}


def write_totals(totals: dict[str, Total], path: Path = TOTALS) -> None:
    """Put them there, in the order of names."""
    path.write_text(json.dumps({name: asdict(totals[name]) for name in sorted(totals)}, indent=1) + "\n")


def least(names: list[str], totals: dict[str, Total]) -> str:
    """The target that has had the least CPU time.

    >>> least(["a", "b"], {"a": Total(2.0), "b": Total(1.0)}), least(["a", "b"], {"a": Total(2.0)})
    ('b', 'b')
    """
    return min(names, key=lambda name: totals.get(name, Total()).cpu_seconds)


def fuzz(name: str, seconds: int, corpus: Path) -> tuple[Total, str]:
    """One slice: what it used, and what it said."""
    command = [sys.executable, str(HERE / "fuzz_run.py"), name, "--seconds", str(seconds), "--corpus", str(corpus)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counts = [int(found) for found in (*COUNTED.findall(done.stdout), *DONE.findall(done.stdout))]
    fault = done.returncode != 0
    if fault and not counts:
        sys.exit(f"the fuzzer itself did not run:\n{done.stdout[-2000:]}")
    return Total(used, max(counts, default=0), 1, int(fault), 0.0 if fault else used), done.stdout


def keep(name: str, said: str) -> Path | None:
    """The input that ended the run, beside those that were found before."""
    found = FOUND.search(said)
    if not found:
        return None
    number = 1 + max((int(p.name.rpartition("-")[2]) for p in GOLDEN.glob(f"{name}-*")), default=0)
    return Path(shutil.copy(found[1], GOLDEN / f"{name}-{number}"))


def table(totals: dict[str, Total]) -> str:
    """Markdown, the least first."""
    lines = ["| target | CPU min | of them since its last fault | executions | slices ended by a fault |", "|---|---|---|---|---|"]
    for name, one in sorted(totals.items(), key=lambda pair: pair[1].cpu_seconds):
        lines.append(f"| {name} | {one.cpu_seconds / 60:.1f} | {one.since_fault / 60:.1f} | {one.executions:,} | {one.faults} |")
    reached = sum(one.since_fault >= AIM for one in totals.values())
    lines.append(f"\n{reached} of {len(totals)} targets have {AIM / 60:.0f} CPU minutes since their last fault.")
    return "\n".join(lines)


def main() -> None:
    """Fuzz, count, keep."""
    sys.path.insert(0, str(HERE))
    from fuzz_targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    parser.add_argument("--minutes", type=float, default=60, help="by the clock, of all slices")
    parser.add_argument("--slice", type=int, default=60, help="seconds of one slice, by the clock")
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"))
    parser.add_argument("--table", action="store_true", help="only print the counts")
    given = parser.parse_args()
    if given.table:
        print(table(read_totals()))
        return
    names, end, faults = given.targets or sorted(TARGETS), time.monotonic() + 60 * given.minutes, 0
    if set(names) - set(TARGETS):
        parser.error(f"no target {min(set(names) - set(TARGETS))!r}; there are {', '.join(sorted(TARGETS))}")
    while names and time.monotonic() < end:
        totals = read_totals()
        name = least(names, totals)
        new, said = fuzz(name, given.slice, given.corpus)
        old = totals.get(name, Total())
        totals[name] = Total(
            cpu_seconds=round(old.cpu_seconds + new.cpu_seconds, 1),
            executions=old.executions + new.executions,
            slices=old.slices + 1,
            faults=old.faults + new.faults,
            since_fault=round(new.since_fault if new.faults else old.since_fault + new.since_fault, 1),
        )
        write_totals(totals)
        print(f"{name}: {new.cpu_seconds:.0f} CPU s, {new.executions:,} executions", flush=True)
        if new.faults:
            faults += 1
            names = [other for other in names if other != name]  # it would be found again at once
            print(f"{name}: a fault, kept as {keep(name, said)}\n{said[-3000:]}", flush=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
