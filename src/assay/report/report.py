"""A report: a data set and what a scan concluded about it, to ask, to show, to write, and to open again."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assay.artefact.base import Artefact, Bools
from assay.artefact.registry import from_json as artefact_from_json
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.files import at_home
from assay.dataset.rows import Rows
from assay.finding import (
    Availability,
    Check,
    Conclusion,
    Contributor,
    CurvePoint,
    Damage,
    Effect,
    Finding,
    Sensitivity,
    TrialResult,
    Verdict,
)
from assay.report import folder as place
from assay.report import words
from assay.report.json import SCHEMA, dumps, report_json
from assay.report.rows import by_strength, rows_table

if TYPE_CHECKING:
    from assay.report.plots.svg import Plot

FailOn = Literal["confirmed", "suspected", "never"]
FORMATS = ("json", "html", "sarif")
MORE = ("junit", "svg", "png")  # written where asked for by name; svg and png: a folder of plots
ROW_LIMIT = 10  # findings shown in a notebook


class Report:
    """What a scan of one data set concluded.

    `verdict`, `findings` (strongest first), `checks`, `sensitivity`, `blind_spots`: see `assay.finding`. `rows`: a
    line per record (`assay.report.rows.SCHEMA`). `keep` and `mask`: what may be trained on. `document`: report.json.
    `data` is None for a report that was opened from its folder."""

    def __init__(self, data: Dataset, conclusion: Conclusion) -> None:
        self.data: Dataset | None = data
        self.conclusion = conclusion
        self.document: dict[str, Any] = report_json(data, conclusion)
        self._rows: pa.Table | None = None

    @classmethod
    def open(cls, folder: str | Path) -> Report:
        """Read a report back from the folder it was written to. DataError if it is none, or from another schema.

        Screens' scores and the data itself are not stored: `conclusion.screens` is empty, `data` is None.
        """
        folder = Path(folder)
        document = place.read_json(folder)
        if document.get("schema") != SCHEMA:
            found = f"the schema {SCHEMA!r} was expected, {document.get('schema')!r} found"
            raise DataError(found, path=folder / place.JSON, remedy="scan again with this version")
        rows = place.read_rows(folder)
        report = cls.__new__(cls)
        report.data = None
        report.document = document
        report._rows = rows
        try:
            report.conclusion = _conclusion(document, rows)
            report.findings  # noqa: B018  # ordered here, so that a status that is none is told at once
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"does not hold what a report holds ({error!r})", path=folder, remedy="scan again") from error
        return report

    @property
    def verdict(self) -> Verdict:
        """poisoned, suspect, incomplete or clean."""
        return self.conclusion.verdict

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Confirmed before suspected before shortcut, then by evidence."""
        return tuple(by_strength(self.conclusion.findings))

    @property
    def checks(self) -> tuple[Check, ...]:
        """Everything a scan may do, and whether it ran."""
        return self.conclusion.checks

    @property
    def sensitivity(self) -> tuple[Sensitivity, ...]:
        """What this scan caught of what was planted in a copy."""
        return self.conclusion.sensitivity

    @property
    def blind_spots(self) -> tuple[str, ...]:
        """What this scan could not see, in words."""
        return self.conclusion.blind_spots

    @property
    def fingerprint(self) -> str:
        """The data set's: hex, RFC 6962 Merkle root over the row digests."""
        return str(self.document["dataset"]["fingerprint"])

    @property
    def rows(self) -> pa.Table:
        """A line per record: row, key, digest, score, finding, findings, action, screens."""
        if self._rows is None:
            assert self.data is not None
            self._rows = rows_table(self.data, self.conclusion)
        return self._rows

    @cached_property
    def mask(self) -> Bools:
        """(records,) True where a record may be trained on: neither quarantined nor unreadable."""
        kept = pc.and_(pc.not_equal(self.rows["action"], "quarantine"), pc.is_valid(self.rows["digest"]))
        return np.asarray(kept, dtype=bool)

    @property
    def keep(self) -> NDArray[np.int64]:
        """Record numbers that may be trained on, for `torch.utils.data.Subset(data, report.keep)`."""
        return np.flatnonzero(self.mask)

    @property
    def quarantined(self) -> NDArray[np.int64]:
        """Record numbers that `assay clean` leaves out."""
        return np.flatnonzero(np.asarray(pc.equal(self.rows["action"], "quarantine"), dtype=bool))

    @cached_property
    def drawings(self) -> list[Plot]:
        """Every plot, drawn once. DataError for a report that was opened: what is drawn is in its folder."""
        from assay.report.plots.registry import plots

        return plots(self._scanned(), self.conclusion)

    def exit_code(self, fail_on: FailOn = "suspected") -> int:
        """1 if a finding reaches `fail_on`, else 3 if a planned check did not complete, else 0."""
        reached = {"confirmed": ("confirmed",), "suspected": ("confirmed", "suspected"), "never": ()}[fail_on]
        if any(f.status in reached for f in self.findings):
            return 1
        return 3 if words.incomplete(self.checks, str(self.conclusion.settings.get("depth", "fast"))) else 0

    def write(self, out: str | Path, formats: Sequence[str] = FORMATS, states: str | Path | None = None) -> Path:
        """Write report.json and rows.parquet, and of html, sarif, junit, svg and png what `formats` names, into the folder `out`, and
        a copy of the folder `states`, if there is one: what a scan of more rows, with `since`, goes on from.

        Whole or not at all. An older report there is replaced; anything else is left alone, and DataError raised.
        """
        unknown = [f for f in formats if f not in (*FORMATS, *MORE)]
        if unknown:
            raise DataError(f"no format {unknown[0]!r}", remedy=f"choose among {', '.join((*FORMATS, *MORE))}")
        data = self._scanned()
        from assay.report.plots.registry import check_png, keep_plots, write_plots

        files: dict[str, place.Writer] = {
            place.JSON: lambda p: _text(p, dumps(self.document)),
            place.ROWS: lambda p: pq.write_table(self.rows, p, compression="zstd"),
        }
        if states is not None and Path(states).is_dir():
            files[place.STATES] = partial(_copy_folder, Path(states))
        if "html" in formats:
            from assay.report.html import html
            from assay.report.steps import next_steps

            steps = next_steps(data, self.conclusion, Path(out))
            files[place.HTML] = lambda p: _text(p, html(data, self.conclusion, steps, self.drawings))
            files[place.DRAWN] = lambda p: keep_plots(self.drawings, p)
        if "sarif" in formats:
            from assay.report.sarif import sarif

            files[place.SARIF] = lambda p: _text(p, dumps(sarif(data, self.conclusion)))
        if "junit" in formats:
            from assay.report.junit import report_junit

            files[place.JUNIT] = lambda p: _text(p, report_junit(data, self.conclusion))
        drawn = [f for f in ("svg", "png") if f in formats]
        if drawn:
            if "png" in drawn:
                check_png()
            files[place.PLOTS] = lambda p: write_plots(self.drawings, p, drawn)
        out = at_home(out)
        place.write_folder(out, files)
        return out

    def _scanned(self) -> Dataset:
        if self.data is None:
            raise DataError("a report that was opened has no data to be written from", remedy="scan again, or copy its folder")
        return self.data

    def show(self) -> None:
        """Print it, as `assay scan` does."""
        from rich.console import Console

        from assay.report.terminal import show

        if self.data is None:
            Console().print(repr(self))
        else:
            show(self.data, self.conclusion)

    def __repr__(self) -> str:
        return f"<Report: {words.headline(self.conclusion)}>"

    def _repr_html_(self) -> str:
        """For notebooks: the verdict and the findings."""
        from assay.report.html import summary

        return summary(self.conclusion, self.findings[:ROW_LIMIT])


def _copy_folder(source: Path, out: Path) -> None:
    shutil.copytree(source, out)


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


class Withheld(Artefact):
    """What is left of an artefact in a report without content: its kind and digest. It answers no question."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.kind = str(data["kind"])  # type: ignore[misc]  # one class stands for every kind

    def _present(self, rows: Rows) -> Bools:
        raise DataError("the artefact is withheld in this report (--no-samples)", remedy="scan again without --no-samples")

    def describe(self) -> str:
        return f"{self.kind} {self.data['digest'][:12]} (withheld)"

    def to_json(self) -> dict[str, Any]:
        return self.data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Withheld:
        return cls(data)


def _conclusion(document: dict[str, Any], rows: pa.Table) -> Conclusion:
    readable = rows.filter(pc.is_valid(rows["digest"]))
    belongs: dict[str, list[int]] = {}
    for position, names in enumerate(readable["findings"].to_pylist()):
        for name in names:
            belongs.setdefault(name, []).append(position)
    at = {row: position for position, row in enumerate(readable["row"].to_pylist())}
    return Conclusion(
        verdict=document["verdict"],
        findings=tuple(_finding(f, at, belongs.get(f["id"], [])) for f in document["findings"]),
        checks=tuple(Check(**c) for c in document["checks"]),
        sensitivity=tuple(
            Sensitivity(s["kind"], s["size"], s["carriers"], s["caught"], s["planted"], *s["interval"]) for s in document["sensitivity"]
        ),
        score=np.array([math.nan if v is None else v for v in readable["score"].to_pylist()], np.float64),
        action=tuple(readable["action"].to_pylist()),
        screens=(),
        hypotheses=int(document.get("hypotheses", 0)),
        settings=document["settings"],
        blind_spots=tuple(document.get("blind_spots", ())),
        availability=_availability(document.get("availability")),
    )


def _availability(a: dict[str, Any] | None) -> Availability | None:
    if a is None:
        return None
    low, high = a["interval"]
    turned = tuple((t["from"], t["to"], t["share"]) for t in a["turned"])
    curve = tuple(CurvePoint(p["rows"], p["error_with_suspects"], p["error_without_suspects"]) for p in a["learning_curve"])
    damage = tuple(_damage(d) for d in a["damage"])
    return Availability(a["estimated_fraction"], low, high, a["rows"], turned, a["suspects"], curve, damage)


def _damage(d: dict[str, Any]) -> Damage:
    low, high = d["interval"]
    return Damage(d["column"], d["name"], d["rows"], d["change"], low, high, d["p_value"])


def _finding(f: dict[str, Any], at: dict[int, int], carriers: list[int]) -> Finding:
    first = [at[row] for row in f["rows"] if row in at]  # strongest first, as many as JSON holds; the rest in record order
    seen = set(first)
    effect = f.get("effect")
    stored = f["artefact"]
    return Finding(
        id=f["id"],
        kind=f["kind"],
        status=f["status"],
        target=f["target"],
        log_e=_log_e(f),
        log10_p=math.nan if f["log10_p"] is None else f["log10_p"],
        positions=np.array([*first, *(p for p in carriers if p not in seen)], np.int64),
        artefact=Withheld(stored) if stored.get("withheld") else artefact_from_json(stored),
        explanation=f["explanation"],
        trials=tuple(
            TrialResult(
                t["name"],
                t["state"],
                None if t["log10_e"] is None else t["log10_e"] * math.log(10),
                t["p_value"],
                t["detail"],
            )
            for t in f.get("trials", ())
        ),
        effect=None if effect is None else _effect(effect),
        contributors=tuple(
            Contributor(c["name"], c["rows"], c["of"], math.nan if c["p_value"] is None else c["p_value"]) for c in f["contributors"]
        ),
        taxonomy=tuple(f["taxonomy"]),
    )


def _effect(e: dict[str, Any]) -> Effect:
    low, high = e["interval"]
    return Effect(e["rate"], low, high, e["baseline"], e["implants"])


def _log_e(f: dict[str, Any]) -> float:
    value = f.get("log10_e")
    return math.nan if value is None else float(value) * math.log(10)
