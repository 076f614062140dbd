"""Run a suite: case by case, defence by defence, each result on disk as soon as it is there. A run that stops goes on where it was."""

from __future__ import annotations

import json
import multiprocessing
import platform
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from assay.bench.case import Case, Cell, make_case
from assay.bench.claims import claims
from assay.bench.defence import Defence
from assay.bench.measures import after, as_fields, harm, measure
from assay.bench.memory import peak_bytes, reset_peak
from assay.bench.peers.registry import OURS, defences
from assay.bench.sets import SETS
from assay.bench.suites import Suite
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.version import __version__

Line = dict[str, Any]
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "cleanlab", "pyod", "adversarial-robustness-toolbox")


@dataclass(frozen=True)
class Plan:
    """What is asked of one process: a cell, and the defences whose results are not there yet."""

    cell: Cell
    defences: tuple[str, ...]
    retrain: bool
    canaries: bool


def plans(suite: Suite, chosen: Iterable[Defence], done: set[tuple[str, str]]) -> list[Plan]:
    """Cells with the defences that fit their modality and are not done."""
    modality = {s.name: s.modality for s in SETS}
    found = []
    for cell in suite.cells():
        left = tuple(d.name for d in chosen if modality[cell.set] in d.modalities and (cell.id, d.name) not in done)
        if left:
            found.append(Plan(cell, left, suite.retrain, suite.canaries))
    return found


def run_suite(
    suite: Suite,
    out: Path,
    chosen: list[Defence],
    minutes: float,
    jobs: int,
    progress: Callable[[float, float, str], None],
    sets: Collection[str] = (),
    absent: Callable[[str, str], None] = lambda *_: None,
) -> tuple[int, int]:
    """(cells done, cells left). Results are appended to `out`, a line each; those that are there are not run again.

    `sets`: only the cells of these; the others count as left. A set that is not at hand has no result, so that its cells stay left until
    it is: `absent` is told its name and why.
    """
    done = {(x["cell"], x["defence"]) for x in read_lines(out)}
    left = plans(suite, chosen, done)
    todo = [plan for plan in left if not sets or plan.cell.set in sets]
    end = time.monotonic() + 60 * minutes
    finished = 0
    for plan, lines in _results(todo, jobs, end):
        try:
            for line in lines:
                add_lines(out, [line])
        except FileNotFoundError as error:
            absent(plan.cell.set, str(error))
            continue
        finished += 1
        progress(finished, len(todo), plan.cell.id)
    return finished, len(left) - finished


def read_lines(path: Path) -> list[Line]:
    """The results so far; a last line that was cut short by an interruption is left out."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found


def add_lines(path: Path, lines: Iterable[Line]) -> None:
    """Append results; a last line that was cut short by an interruption does not swallow the first of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        file.writelines(["\n"] if cut else [])
        file.writelines(json.dumps(line) + "\n" for line in lines)


def _results(todo: list[Plan], jobs: int, end: float) -> Iterator[tuple[Plan, Iterable[Line]]]:
    """With one job, lines come as they are measured, so that a run that is killed in a long cell keeps what it has."""
    if jobs == 1:
        for plan in todo:
            if time.monotonic() > end:
                return
            yield plan, run_plan(plan)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = iter(todo)
        running = {pool.submit(_whole_plan, plan): plan for plan in islice(waiting, jobs)}
        while running:
            future = next(as_completed(running))
            yield running.pop(future), _lines_of(future)
            following = next(waiting, None) if time.monotonic() <= end else None
            if following is not None:
                running[pool.submit(_whole_plan, following)] = following


def _lines_of(future: Future[list[Line]]) -> Iterator[Line]:
    yield from future.result()


def _whole_plan(plan: Plan) -> list[Line]:
    return list(run_plan(plan))


def run_plan(plan: Plan) -> Iterator[Line]:
    """Make the case, and measure what each defence does in it. What cannot be run is a line too, with its reason."""
    whole = next(s for s in SETS if s.name == plan.cell.set)
    by_name = {d.name: d for d in defences()}
    try:
        case = make_case(plan.cell, _read(whole.name), plan.canaries)
        harmed = as_fields(harm(case))
    except DataError as error:
        yield from (_line(plan.cell, name, failed=str(error)) for name in plan.defences)
        return
    for name in plan.defences:
        yield _line(plan.cell, name, **harmed, **_one(case, by_name[name], plan.retrain))


def _read(name: str) -> Dataset:
    return next(s for s in SETS if s.name == name).read()


def _one(case: Case, defence: Defence, retrain: bool) -> Line:
    lacking = [package for package in defence.needs if find_spec(package) is None]
    if lacking:
        return {"failed": f"needs the package {lacking[0]}"}
    reset_peak()
    began = time.perf_counter()
    try:
        flags = defence.flag(case)
    except (ArithmeticError, OSError, ValueError, RuntimeError) as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    seconds, peak = time.perf_counter() - began, peak_bytes()
    fields = as_fields(measure(case, flags, hands_over=defence.name.startswith(OURS))) | as_fields(claims(case, flags))
    if retrain:
        fields["success_after"], fields["accuracy_after"] = after(case, flags)
    return {**fields, "seconds": seconds, "peak_bytes": peak}


def _line(cell: Cell, defence: str, **fields: Any) -> Line:
    modality = next(s.modality for s in SETS if s.name == cell.set)
    known = {"failed": None, "modality": modality, "budget": cell.budget, "peak_bytes": None, "versions": _versions()}
    return {"cell": cell.id, "defence": defence, **asdict(cell), **known, **fields}


def _versions() -> dict[str, str]:
    found = {"assay": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
