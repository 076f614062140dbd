"""From evidence to findings: e-values of all families pooled, e-BH once, a status for each.

Every family gets the same share of the error budget (weighted e-BH: Wang & Ramdas 2022, section 5), so that one which enumerates
a million artefacts does not drown one that enumerates ten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Contributor, Finding, Status
from assay.stats.multiple import e_bh
from assay.stats.poisson_binomial import upper_tail
from assay.trial.family import Examined, Tried

Int = NDArray[np.int64]

SUSPECT = 10.0  # suspected: e-BH at this many times alpha
SAME = 0.5  # findings whose rows overlap by more than this Jaccard index are one
INSIDE = 0.9  # of a finding's rows, within those of a stronger one of its family and target: the trigger with a word beside it is no other
EXPLAINED = 0.95  # of a confirmed finding's rows, that one with the same rows holds which says more plainly what they share
# families that hand over rows and no trigger: the higher, the less sure which rows
VAGUE = {"residual": 1, "cluster": 2, "style": 2, "implant": 3, "relabelling": 3, "group": 3}
SHORTCUTS_SHOWN = 5  # natural attributes named, a family: many good words go with a class
MOST_CONTRIBUTORS = 20  # asked about, those with most of a finding's rows first
CONTRIBUTOR_ALPHA = 1e-3  # a contributor is named beside a finding below this p-value, Bonferroni over contributors
TAXONOMY = {
    "group": ("MITRE ATLAS AML.T0020", "NIST AI 100-2 NISTAML.013", "CWE-1039"),
    "relabelling": ("MITRE ATLAS AML.T0020", "NIST AI 100-2 NISTAML.013", "CWE-1039"),
}
BACKDOOR = ("MITRE ATLAS AML.T0018", "MITRE ATLAS AML.T0020", "NIST AI 100-2 NISTAML.023", "CWE-1039")


@dataclass(frozen=True)
class Judged:
    """A tried candidate with its status (None: nothing to say of it)."""

    family: str
    tried: Tried
    status: Status | None

    @property
    def accuses(self) -> bool:
        """Whether it is a charge of poison: confirmed or suspected."""
        return self.status in ("confirmed", "suspected")

    def as_natural(self, why: str) -> Judged:
        """The same, a shortcut, since `why`."""
        return replace(self, status="shortcut", tried=replace(self.tried, natural=why))


def judge_all(examined: Mapping[str, Examined], alpha: float) -> tuple[Judged, ...]:
    """Pool the families' e-values, reject by e-BH at `alpha` and at ten times it, strongest first."""
    enumerating = {name: e for name, e in examined.items() if e.enumerated}
    total = float(sum(e.enumerated for e in enumerating.values()))
    entries: list[tuple[str, Tried, float]] = []
    for name, e in enumerating.items():
        weight = np.log(total) - np.log(len(enumerating)) - np.log(e.enumerated)
        entries.extend((name, t, t.log_e + weight) for t in e.tried)
    log_e = np.array([x for _, _, x in entries])
    firm, faint = e_bh(log_e, total, alpha), e_bh(log_e, total, min(1.0, SUSPECT * alpha))
    judged = [Judged(n, t, _status(t, bool(firm[i]), bool(faint[i]))) for i, (n, t, _) in enumerate(entries)]
    order = sorted(range(len(judged)), key=lambda i: -float(log_e[i]))
    return tuple(judged[i] for i in order)


def _status(tried: Tried, firm: bool, faint: bool) -> Status | None:
    if tried.natural is not None and (faint or tried.nominated):
        return "shortcut"
    if firm and not tried.missing:
        return "confirmed"
    if faint or tried.planted_without_relabelling is not None:
        return "suspected"
    return "shortcut" if tried.nominated else None


def members(data: Dataset, tried: Tried) -> Int:
    """The carriers that the finding accuses: those with the target's label, where there is one target.

    A natural carrier with another label was not poisoned towards the target; the trials may acquit others (`Tried.accused`).
    """
    if tried.accused is not None and tried.target is not None and len(tried.accused):
        return tried.accused
    carriers = tried.candidate.carriers
    if tried.target is None or not len(data.y):
        return carriers
    return carriers[data.y[carriers] == tried.target]


def findings_of(seen: Mapping[str, Dataset], judged: tuple[Judged, ...]) -> tuple[Finding, ...]:
    """Findings to report: confirmed, then suspected, then a few shortcuts; those with the same rows, or fewer, merged into the strongest.

    Of confirmed ones with the same rows that stands which says most plainly what they share: a patch rather than rows that a network sets
    apart. Where it holds too few of the vaguer one's rows both stand.

    `seen`: the data set as each family saw it.
    """
    rank = {"confirmed": 0, "suspected": 1, "shortcut": 2}
    ordered = sorted((j for j in judged if j.status), key=lambda j: (rank[str(j.status)], _vague(j)))
    kept: list[tuple[Judged, Int]] = []
    held: list[tuple[set[int], set[int]]] = []  # each one's rows, and with those of the findings that were merged into it
    shortcuts: dict[str, int] = {}
    for j in ordered:
        rows = members(seen[j.family], j.tried)
        mine = set(rows.tolist())
        same = next((number for number, (k, _) in enumerate(kept) if _is(j, mine, k, held[number][0])), None)
        if same is not None:
            held[same][1].update(mine)
            continue
        alike = (s for (k, _), (_, s) in zip(kept, held, strict=True) if k.family == j.family and k.tried.target == j.tried.target)
        if any(len(mine & s) >= INSIDE * len(mine) for s in alike):
            continue
        if j.status == "shortcut":
            if j.tried.target is None and j.tried.natural is None and j.tried.words is None:
                continue  # it goes with no class: nothing that a model could lean on
            shortcuts[j.family] = shortcuts.get(j.family, 0) + 1
            if shortcuts[j.family] > SHORTCUTS_SHOWN:
                continue
        kept.append((j, rows))
        held.append((mine, set(mine)))
    return tuple(_finding(seen[j.family], j, rows, number) for number, (j, rows) in enumerate(kept, 1))


def _vague(judged: Judged) -> int:
    """How little it says of what its rows share; nothing is weighed but what is confirmed."""
    return VAGUE.get(judged.family.split("[")[0], 0) if judged.status == "confirmed" else 0


def _is(judged: Judged, mine: set[int], other: Judged, its: set[int]) -> bool:
    """Whether a charge on the rows `mine` is no other than one on the rows `its`, which comes before it."""
    both = len(mine & its)
    same = both > SAME * len(mine | its)
    if other.status != "confirmed" or _vague(judged) <= _vague(other):
        return same
    if same:
        return both >= EXPLAINED * len(mine)
    return judged.tried.target == other.tried.target and both >= INSIDE * len(mine)


def _finding(data: Dataset, judged: Judged, rows: Int, number: int) -> Finding:
    tried = judged.tried
    assert judged.status is not None
    target = None if tried.target is None else data.classes[tried.target]
    return Finding(
        id=f"F{number}",
        kind=tried.candidate.artefact.kind,
        status=judged.status,
        target=target,
        log_e=float(tried.log_e),
        log10_p=float(np.log10(max(tried.p_value, 1e-300))),
        positions=rows,
        artefact=tried.candidate.artefact,
        explanation=_explain(data, judged, rows, target),
        trials=tried.trials,
        effect=tried.effect,
        contributors=contributors_of(data, rows),
        taxonomy=() if judged.status == "shortcut" else TAXONOMY.get(judged.family.split("[")[0], BACKDOOR),
    )


def _explain(data: Dataset, judged: Judged, rows: Int, target: str | None) -> str:
    tried, what = judged.tried, judged.tried.candidate.artefact.describe()
    if what.startswith(("a ", "an ", "one ", "the ")):  # a column's name keeps its spelling
        what = what[:1].upper() + what[1:]
    share = f"{len(rows):,} rows ({len(rows) / max(len(data), 1):.2%})"
    goes = f" labelled {target!r}" if target is not None else ", each with a label that its content does not support"
    if tried.natural is not None:
        return f"{what}: {share}{goes}. {tried.natural}"
    if tried.words is not None:
        faint = ". Too faint to suspect poison among so many: look at some of them" if judged.status == "shortcut" else ""
        return f"{what}: {tried.words}{faint}" + (f". Not confirmed: {', '.join(tried.missing)}" if tried.missing else "")
    if judged.status == "shortcut" and _against(tried):
        return (
            f"{what} goes with {target!r} in {share}; the rest of those rows speaks against the label, but too faintly to "
            "suspect poison among so many artefacts"
        )
    if judged.status == "shortcut" and tried.target is not None and len(rows) > (data.y == tried.target).sum() / 2:
        return (
            f"{what} goes with {target!r} in {share}, most of all that have this label: too few others are left to compare them with. It "
            "may be what the label means; a label that was mostly planted would look the same, so look at some of them"
        )
    if judged.status == "shortcut":
        return (
            f"{what} goes with {target!r} in {share}, and the rest of those rows fits that label too: a natural attribute that a "
            "model may lean on, not a sign of poison"
        )
    if tried.planted_without_relabelling is not None:
        return f"{what}: {share}{goes}. {tried.planted_without_relabelling}"
    shared, it = ("are", "them") if what.startswith(("The words ", "The letters ")) else ("is", "it")
    text = (
        f"{what} {shared} shared by {share}{goes}. With {it} taken out, the rest of their content speaks against the label, more than in "
        "any comparable rows"
    )
    return text + (f"; not tried: {', '.join(tried.missing)}" if tried.missing else "")


def _against(tried: Tried) -> bool:
    """Whether the trials speak for poison at all: contradiction does, and the carriers do not plainly belong to their label."""
    return tried.log_e > 0 and any(t.name == "contradiction" and (t.log_e or 0.0) > 1.0 for t in tried.trials)


def contributors_of(data: Dataset, rows: Int) -> tuple[Contributor, ...]:
    """Contributors and sources who supplied more of these rows than their share of the data explains, most first.

    A missing value is nobody.
    """
    named: list[Contributor] = []
    for column in dict.fromkeys((data.columns.contributor, data.columns.source)):
        values = data.values(column)
        if values is None or not len(rows):
            continue
        overall = Counter(str(v) for v in values if v is not None)
        here = Counter(str(values[i]) for i in rows if values[i] is not None)
        for name, held in sorted(here.items(), key=lambda x: (-x[1], x[0]))[:MOST_CONTRIBUTORS]:
            p = upper_tail(np.full(len(rows), overall[name] / len(values)), held) * len(overall)
            if p < CONTRIBUTOR_ALPHA:
                named.append(Contributor(name, held, overall[name], float(p)))
    return tuple(named)
