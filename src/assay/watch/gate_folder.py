"""The gate in a folder: its quarantine is on disk, so that no row that was taken is lost, and none is learnt twice.

    FOLDER/gate.json           columns, classes, settings, and what the model sees
    FOLDER/anchor.parquet      the frozen anchor set, which nobody can add to
    FOLDER/start.npz           the frozen reference, which is also the first model
    FOLDER/journal, snapshot.npz, lock     what was submitted, as in a watch (`assay.watch.journal`)
    FOLDER/admitted/<round>.parquet        rows that may be learnt, a file a round that was promoted
    FOLDER/decisions.jsonl     what was decided, and why

When `submit` returns, its rows are on disk, and so are the decisions that they brought about. A process that dies in between does both
again, to the same result, since the gate draws no lots.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.dataset.errors import DataError
from assay.dataset.parquet_table import parquet_table
from assay.watch.events import column_of, table_of, words
from assay.watch.frames import Names, of_frame, to_frame
from assay.watch.gate import Decision, Gate, Learner, Settings
from assay.watch.gate_rows import View, arrays_of, model_of
from assay.watch.journal import COMMAND, EVENTS, Journal, replace_whole

SCHEMA = "assay.watch.gate/1"
FILE, ANCHOR, START, ADMITTED, DECISIONS = "gate.json", "anchor.parquet", "start.npz", "admitted", "decisions.jsonl"
FEWEST = 400  # trusted rows: half of them teach the reference, half are the anchor set, whose floors need some hundred rows

Parts = tuple[Any, list[Any] | None, list[Any]]  # content, labels, contributors


class GateFolder:
    """A gate whose model, quarantine and decisions are kept in a folder. One process at a time; use as a context manager."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Open it, and go on where it stopped. Raises DataError where it is none."""
        path = folder / FILE
        if not path.exists():
            raise DataError(f"is no gate: {FILE} is not there", path=folder, remedy="make one with assay watch gate init")
        self.folder, self._read_only = folder, read_only
        self._said: dict[str, Any] = json.loads(path.read_bytes())
        if self._said.get("schema") != SCHEMA:
            raise DataError(f"not a gate of version {SCHEMA}", path=path, remedy="make it again with assay watch gate init")
        self._view = View.from_json(self._said["view"])
        anchor = parquet_table(folder / ANCHOR, remedy="make the gate again with assay watch gate init")
        with np.load(folder / START, allow_pickle=False) as held:
            start = {name: held[name] for name in held.files}
        reference = model_of(self._view, start, self._said["classes"])
        settings = Settings(**{**self._said["settings"], "barred": frozenset(self._said["settings"]["barred"])})
        self._labelled = bool(self._said["labelled"])
        self.gate = Gate(
            model_of(self._view, {k: v.copy() for k, v in start.items()}, self._said["classes"]),
            Learner.partial_fit(self._said["classes"]),
            reference.predict,
            {"anchor": (self._view.of_rows(anchor), words(column_of(anchor, self._said["label"])))},
            settings,
            labelled=self._labelled,
        )
        self._rows: dict[int, pa.Table] = {}  # number of the first row of a piece -> the piece
        self._names = Names()
        self._submitted = 0
        self._journal = Journal(folder, read_only)
        try:
            if (state := self._journal.restore()) is not None:
                self._restore(*state)
            self._journal.replay(self._take)
        except BaseException:  # whoever mends the folder can open it
            self._journal.close()
            raise

    @classmethod
    def create(
        cls,
        folder: Path,
        trusted: Any,
        *,
        label: str,
        contributor: str,
        text: str | None = None,
        features: Sequence[str] = (),
        settings: Settings | None = None,
        labelled: bool = True,
        seed: int = 0,
    ) -> GateFolder:
        """Make it from trusted rows with labels: a random half teaches the reference and the first model, the other is the anchor set."""
        if folder.exists() and any(folder.iterdir()):
            raise DataError("is there already, and nothing is overwritten", path=folder, remedy="give another folder")
        table, chosen = table_of(trusted), settings or Settings()
        if table.num_rows < FEWEST or label not in table.column_names:
            raise DataError(
                f"the trusted rows are {table.num_rows}, with columns {', '.join(table.column_names)}",
                column=label,
                remedy=f"give {FEWEST} rows or more, with the label",
            )
        labels = words(column_of(table, label))
        if None in labels:
            raise DataError("a trusted row has no label", row=labels.index(None), column=label, remedy="label it, or leave it out")
        order = np.random.default_rng(seed).permutation(table.num_rows)
        taught, anchor = order[: len(order) // 2], order[len(order) // 2 :]
        view = View.of(table, text, features)
        y = np.array(labels)
        classes = sorted({str(v) for v in labels})
        if len(classes) < 2 or set(y[taught]) != set(classes) or set(y[anchor]) != set(classes):
            raise DataError("a class is too rare among the trusted rows", column=label, remedy="give more rows of every class")
        model = view.model().partial_fit(view.of_rows(table.take(pa.array(taught))), y[taught], classes=classes)
        folder.mkdir(parents=True, exist_ok=True)
        held: dict[str, Any] = arrays_of(model)
        np.savez(folder / START, **held)
        pq.write_table(table.take(pa.array(anchor)), folder / ANCHOR)
        said = {
            "schema": SCHEMA,
            "label": label,
            "contributor": contributor,
            "classes": classes,
            "labelled": labelled,
            "view": view.to_json(),
            "settings": {**asdict(chosen), "barred": sorted(chosen.barred)},
        }
        replace_whole(folder / FILE, json.dumps(said, indent=1).encode())
        return cls(folder)

    def submit(self, rows: Any, *, name: str | None = None) -> list[Decision]:
        """Take rows in, and review the rounds that are due. A batch whose `name` was taken before is passed over."""
        table = table_of(rows)
        if (name is not None and name in self._names) or not table.num_rows:
            return []
        parts = self._parts(table)  # what is wrong with a batch is found before it is acknowledged
        self._journal.append(EVENTS, to_frame(table, name))
        decided = self._submit(table, name, parts)
        if self._journal.due:
            self.snapshot()
        return decided

    def flush(self) -> list[Decision]:
        """Review what is left, however short it is."""
        return self._command({"do": "flush"})

    def pardon(self, contributor: str) -> None:
        """Let a suspended contributor bring rows again. Raises DataError where that one is not suspended."""
        if contributor not in self.gate.suspended:
            there = ", ".join(sorted(self.gate.suspended)) or "nobody"
            raise DataError(f"{contributor!r} is not suspended", path=self.folder, remedy=f"suspended: {there}")
        self._command({"do": "pardon", "contributor": contributor})

    def decisions(self) -> list[dict[str, Any]]:
        """Every decision, as written."""
        path = self.folder / DECISIONS
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def snapshot(self) -> None:
        """Write the state, so that the next start need not replay everything, and forget rows that nobody needs any more."""
        arrays = {f"{i}/{k}": v for i, model in enumerate(self.gate.models()) for k, v in arrays_of(model).items()}
        needed = set(self.gate.held())
        pieces = {first: t for first, t in self._rows.items() if any(n in needed for n in range(first, first + t.num_rows))}
        self._rows = pieces
        arrays |= {f"rows/{first}": np.frombuffer(to_frame(table, None), np.uint8) for first, table in pieces.items()}
        self._journal.snapshot(arrays, {"gate": self.gate.to_json(), "names": list(self._names), "submitted": self._submitted})

    def close(self) -> None:
        """Let go of the folder; nothing is lost without it."""
        self._journal.close()

    def __enter__(self) -> GateFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _parts(self, table: pa.Table) -> Parts:
        """(content, labels, contributors). Raises DataError where a column is missing, or a row has no label or contributor."""
        found: list[list[Any]] = []
        for name in [self._said["label"]] * self._labelled + [self._said["contributor"]]:
            values = words(column_of(table, name))
            if None in values:
                raise DataError("a row without a value", row=values.index(None), column=name, remedy="give one, or leave the row out")
            found.append(values)
        if self._labelled and (other := set(found[0]) - set(self._said["classes"])):
            raise DataError(
                f"{sorted(other)[0]!r} is no class of the trusted rows",
                column=self._said["label"],
                remedy=f"there are: {', '.join(self._said['classes'])}",
            )
        return self._view.of_rows(table), found[0] if self._labelled else None, found[-1]

    def _submit(self, table: pa.Table, name: str | None, parts: Parts) -> list[Decision]:
        self._names.add(name)
        self._rows[self._submitted] = table
        self._submitted += table.num_rows
        return self._write(self.gate.submit(*parts))

    def _command(self, command: Mapping[str, Any]) -> list[Decision]:
        self._journal.append(COMMAND, json.dumps(command).encode())
        return self._obey(command)

    def _obey(self, command: Mapping[str, Any]) -> list[Decision]:
        if command["do"] == "pardon":
            self.gate.pardon(command["contributor"])
            return []
        return self._write(self.gate.flush())

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == EVENTS:
            table, name = of_frame(payload)
            self._submit(table, name, self._parts(table))
        else:
            self._obey(json.loads(payload))

    def _write(self, decided: list[Decision]) -> list[Decision]:
        """Put decisions on disk that are not there yet: after a crash they are decided anew, and the same."""
        if self._read_only or not decided:
            return decided
        path = self.folder / DECISIONS
        lines = path.read_bytes() if path.exists() else b""
        whole = lines[: lines.rfind(b"\n") + 1]  # a torn last line is written again
        there = whole.count(b"\n")
        for decision in decided:
            if decision.round <= there:
                continue
            if decision.admitted:
                (self.folder / ADMITTED).mkdir(exist_ok=True)
                sink = pa.BufferOutputStream()
                pq.write_table(self._of_numbers(decision.admitted), sink)
                replace_whole(self.folder / ADMITTED / f"{decision.round:08d}.parquet", sink.getvalue().to_pybytes())
            whole += json.dumps(_decision_json(decision)).encode() + b"\n"
        if whole != lines:
            replace_whole(path, whole)
        return decided

    def _of_numbers(self, numbers: Sequence[int]) -> pa.Table:
        """These rows as they were submitted, each with its number."""
        firsts = sorted(self._rows)
        at = np.searchsorted(firsts, numbers, "right") - 1
        parts = []
        for i in np.unique(at):
            chosen = np.array(numbers)[at == i]
            part = self._rows[firsts[i]].take(pa.array(chosen - firsts[i])).replace_schema_metadata(None)
            parts.append(part.append_column("assay.row", pa.array(chosen)))
        return pa.concat_tables(parts, promote_options="permissive")

    def _restore(self, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        for name in arrays:
            if name.startswith("rows/"):
                self._rows[int(name[5:])] = of_frame(arrays[name].tobytes())[0]
        self._names, self._submitted = Names(dict.fromkeys(meta["names"])), int(meta["submitted"])
        count = len(meta["gate"]["past"]) + 1
        models = [
            model_of(self._view, {k: arrays[f"{i}/{k}"] for k in ("coef", "intercept", "t")}, self._said["classes"]) for i in range(count)
        ]
        seen = {first: self._view.of_rows(table) for first, table in self._rows.items()}
        firsts = sorted(seen)

        def content(number: int) -> Any:
            first = firsts[int(np.searchsorted(firsts, number, "right")) - 1]
            return seen[first][number - first]

        self.gate.restore(meta["gate"], models, content)


def _decision_json(decision: Decision) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for why in decision.refused.values():
        counts[why] = counts.get(why, 0) + 1
    said = asdict(replace(decision, admitted=(), refused={}))
    return {**said, "admitted": len(decision.admitted), "refused": counts, "refused_rows": sorted(decision.refused)}
