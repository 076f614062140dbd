"""The family of styles: texts that are written alike, tried by leaving them out.

For poison that shares no phrase (a syntax, an old or a shouted style, a paraphraser's hand): what its rows share is how they are
written (`assay.learn.text_manner`). Groups are proposed by that alone, labels unread (`assay.mine.manners`), and every one of them is
counted. What is tried is whether what they *say* belongs to their label: models that never saw any of the group judge its words, since
the words of a style tell the label to whoever has seen its other carriers. Surprise and contradiction as everywhere, the group left out in
place of an artefact taken out. A manner by itself convicts nobody: mail in capitals, in another language or from another feed is written
apart, too, and its words support its label as those of its label's other rows do.

Groups that come near conviction and speak for one label may be parts of one style, which the others would give away: each is tried again
by models that saw none of them. And a style may be in many groups a little (a syntax with six conjunctions): for each label, the groups
whose rows surprise in one half are tried as one, on the other half's rows, both ways, and the two e-values are averaged. A group that holds
most of a label is not tried: who never saw a label cannot say what belongs to it. One of which nearly all look like one other class may be
a natural kind of its own, and with two labels all do: suspected at most.

What texts say is told by their words, or by a sentence encoder where one is installed (`assay.learn.meaning`): it sees through a rewriting.

It cannot see a style that leaves no mark in common words, stops and shapes, poison whose labels agree with the content, or fewer than
`assay.mine.manners.FEWEST` carriers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import logsumexp

from assay.artefact.cluster import Cluster
from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn import meaning
from assay.learn.corpus import read_corpus
from assay.learn.halves import Halves, fit_halves
from assay.learn.images_suspects import left_out
from assay.learn.text import word_matrix
from assay.learn.text_halves import MeaningFitter, WordFitter
from assay.learn.text_manner import Manner, manner_of
from assay.mine.candidate import Candidate
from assay.mine.manners import FEWEST, Group, groups
from assay.screen.shingles import near_text_groups
from assay.trial.controls import Controls
from assay.trial.drawn_rows import drawn, in_whole
from assay.trial.evidence import judge
from assay.trial.family import CanaryCopy, Depth, Examined, Progress, Tried
from assay.trial.heard_twice import looks_most_like
from assay.trial.surprise import clip_probabilities, surprise
from assay.trial.text_columns import text_columns
from assay.trial.text_record import votes_of

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

SPACE = "manner of writing"
FEWEST_TEXTS = 1_000  # below, halves teach too little
MOST = 20_000  # rows looked at: a pair of models is fitted for each group tried
LEAST = 10  # of its rows in a half, by which it is chosen
KINDS = 3  # of hypotheses: marks, clusters, and the groups of a label together
SHORT_LIST = 24  # groups that are left out
SAME = 0.5  # Jaccard index above which two groups are one
KNOWN = 0.5  # share of a label's rows that may be left out: of the rest a model still learns the label
ONE_KIND = 0.7  # share of the carriers that look like one other class: a natural kind does
SHOWN = 6  # marks that are named


@dataclass(frozen=True)
class StyleFamily:
    """Manners of writing in the text columns of a labelled data set."""

    name: str = "style"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if not text_columns(data):
            return Check(self.name, "not_applicable", "there is no text column")
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to be surprised at")
        if len(data) < FEWEST_TEXTS:
            return Check(self.name, "not_applicable", f"fewer than {FEWEST_TEXTS:,} texts: too few to learn from halves")
        if depth == "fast":
            return Check(self.name, "not_planned", "poison that shares a style and no phrase is looked for at depth full")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        chosen, some, notes = drawn(data, MOST, rng, "styles were looked for, and their rows named,")
        columns = [some.table.column(c).to_pylist() for c in text_columns(some)]
        texts = ["\n".join(v or "" for v in parts) for parts in zip(*columns, strict=True)]
        progress(0, 10, "reading manners")
        manner = manner_of(texts)
        if manner is None:
            return Examined((), 0, notes=(*notes, "no texts share a manner to speak of"))
        space = manner.directions(rng)
        proposed = groups(manner, space, rng)
        progress(2, 10, "learning what each text says")
        alike = near_text_groups(pa.array(texts, pa.large_string()), rng)
        seed = int(rng.integers(2**31))
        if meaning.available():
            halves = fit_halves(meaning.encoder()(texts), some.y, len(some.classes), MeaningFitter(), alike, rng)
        else:
            halves = fit_halves(word_matrix(read_corpus(columns)), some.y, len(some.classes), WordFitter(seed), alike, rng)
        court = StyleCourt(some, halves, manner, space, alike)
        tried = court.tried(proposed, progress)
        progress(10, 10, "styles tried")
        return Examined(tuple(in_whole(t, chosen) for t in tried), len(proposed) + len(some.classes), notes=notes)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        return None


@dataclass(frozen=True)
class StyleCourt:
    """What models of one half say of the other's texts, and groups of texts to leave out. `alike` (n,): near-duplicates share one."""

    data: Dataset
    halves: Halves
    manner: Manner
    space: Floats
    alike: Int

    def tried(self, proposed: Sequence[Group], progress: Progress) -> list[Tried]:
        """The most surprising groups after their trials, strongest first."""
        share = self._shares(proposed)
        short = self._short_list(proposed, np.ones(len(self.data), bool))
        found: dict[int, Tried] = {}
        for done, number in enumerate(short):
            progress(4 + 4 * done / len(short), 10, "trying texts that are written alike")
            found[number] = self._try(proposed[number].rows, proposed[number].mark, self._among([proposed[number]]))
        progress(8, 10, "trying the suspects again without their kin")
        for target in range(self.halves.classes):
            near = [number for number, t in found.items() if t.target == target and t.log_e > 0]
            kin = self._among([proposed[number] for number in near])
            if len(near) > 1 and self._known(kin, target):
                p = self._without(kin)
                found |= {number: self._try(proposed[number].rows, proposed[number].mark, kin, p=p) for number in near}
        tried = [replace(t, log_e=t.log_e + share[number]) for number, t in found.items()]
        together = np.log((len(proposed) + self.halves.classes) / (KINDS * self.halves.classes))
        tried += [replace(t, log_e=t.log_e + together) for t in self._together(proposed)]
        return sorted(tried, key=lambda t: (-t.log_e, -len(t.candidate.carriers)))

    def _together(self, proposed: Sequence[Group]) -> list[Tried]:
        """For each label, the groups that surprise in one half as one group of the other's rows."""
        y, fold = self.data.y, self.halves.fold
        kin = {f: self._speaking(proposed, fold == f) for f in np.unique(fold)}
        found = []
        for target in range(self.halves.classes):
            parts = []
            for f, by_target in kin.items():
                inside = by_target[target]
                rows = np.flatnonzero(inside & (fold != f) & (y >= 0))
                if len(rows) >= FEWEST and self._known(inside, target):
                    heard = self._try(rows, None, inside, fold != f)
                    parts += [heard] if heard.target == target and np.isfinite(heard.log_e) else []
            if not parts:
                continue
            best = max(parts, key=lambda t: t.log_e)
            log_e = float(logsumexp([t.log_e for t in parts])) - np.log(len(kin))
            rows = np.concatenate([t.candidate.carriers for t in parts])
            accused = np.concatenate([t.candidate.carriers if t.accused is None else t.accused for t in parts])
            words = self._words(accused, np.flatnonzero((y == target) & ~np.isin(np.arange(len(y)), rows)), None)
            candidate = Candidate(Cluster.around(self.space[rows], SPACE, self.data.digest[rows]), np.sort(rows))
            p_value = min(1.0, 2 * min(t.p_value for t in parts))
            found.append(replace(best, candidate=candidate, log_e=log_e, p_value=p_value, accused=np.sort(accused), words=words))
        return found

    def _speaking(self, proposed: Sequence[Group], here: Bools) -> list[Bools]:
        """For each label (n,) the rows of the groups whose labels surprise among the rows `here` (n,), towards that label."""
        y, p = self.data.y, self.halves.probabilities
        chosen: list[list[Group]] = [[] for _ in range(self.halves.classes)]
        for number in self._short_list(proposed, here):
            rows = proposed[number].rows
            rows = rows[here[rows] & (y[rows] >= 0)]
            asked = surprise(p[rows], y[rows])
            if asked.log_e_targeted[asked.target] > 0:
                chosen[asked.target].append(proposed[number])
        return [self._among(some) for some in chosen]

    def _among(self, some: Sequence[Group]) -> Bools:
        """(n,) rows of these groups."""
        inside = np.zeros(len(self.data), bool)
        for group in some:
            inside[group.rows] = True
        return inside

    def _known(self, gone: Bools, label: int) -> bool:
        """Whether most of a label's rows are left to learn it from."""
        mine = self.data.y == label
        return int((mine & gone).sum()) <= KNOWN * int(mine.sum())

    def _shares(self, proposed: Sequence[Group]) -> Floats:
        """(groups,) log weights: marks, clusters and labels have a third of the error budget each, however many they are."""
        marked = np.array([g.mark is not None for g in proposed], bool)
        count = np.where(marked, marked.sum(), (~marked).sum())
        return np.asarray(np.log((len(marked) + self.halves.classes) / (KINDS * np.maximum(count, 1))))

    def _short_list(self, proposed: Sequence[Group], here: Bools) -> list[int]:
        """The groups whose labels, of rows `here` (n,), surprise most those who saw others of the kind; no two nearly the same."""
        y = self.data.y
        p = clip_probabilities(self.halves.probabilities)
        scores = []
        for number, group in enumerate(proposed):
            rows = group.rows[here[group.rows] & (y[group.rows] >= 0)]
            if len(rows) >= LEAST:
                hits = np.bincount(y[rows], minlength=self.halves.classes) - p[rows].sum(0)
                spread = np.sqrt((p[rows] * (1 - p[rows])).sum(0))
                scores.append((float((hits / np.maximum(spread, 1e-9)).max()), number))
        kept: list[int] = []
        for _, number in sorted(scores, key=lambda s: (-s[0], s[1])):
            if len(kept) == SHORT_LIST:
                break
            rows = proposed[number].rows
            overlaps = (len(np.intersect1d(rows, proposed[k].rows, assume_unique=True)) for k in kept)
            if not any(o > SAME * (len(rows) + len(proposed[k].rows) - o) for o, k in zip(overlaps, kept, strict=True)):
                kept.append(number)
        return kept

    def _without(self, inside: Bools, among: Bools | None = None) -> Floats:
        """(n, k) what models say that never saw a row `inside` (n,); NaN in a half with no row `among` (n,) those that are asked about."""
        halves = self.halves
        return left_out(halves.inputs, self.data.y, halves.classes, halves.fitter, halves.fold, inside, halves.temperature, among)

    def _try(self, group: Int, mark: str | None, inside: Bools, among: Bools | None = None, p: Floats | None = None) -> Tried:
        """Rows of a group, all `among` (n,) those that are looked at, and what models that never saw it, nor any row `inside` (n,), say of
        them among the others.

        `p`: what `_without` says of `inside`, where it is at hand.
        """
        y, halves = self.data.y, self.halves
        p = self._without(inside, among) if p is None else p
        rows = group[y[group] >= 0]
        heard_among = ~inside if among is None else ~inside & among

        def others(t: int) -> Floats:
            return p[(y == t) & heard_among, t]

        def strangers(t: int) -> Floats:
            return p[(y >= 0) & (y != t) & (among if among is not None else True), t]

        votes = votes_of(np.zeros(len(rows), np.int64), self.alike[rows])
        candidate = Candidate(Cluster.around(self.space[rows], SPACE, self.data.digest[rows]), rows)
        heard = judge(candidate, p[rows], y[rows], Controls(others, strangers), votes=votes, lenient=True)
        target = heard.target
        if target is None or not self._known(inside, target):
            return replace(heard, log_e=-np.inf, p_value=1.0, nominated=False)
        mine = rows[y[rows] == target]
        other, share = looks_most_like(p[mine], target)
        missing = heard.missing
        if share > ONE_KIND:
            like = self.data.classes[other]
            missing = (
                *missing,
                f"{share:.0%} of them look like {like!r} where they are not like their label: they may be a natural kind",
            )
        told, before = ((q[mine].argmax(1) == target).mean() if len(mine) else 0.0 for q in (p, halves.probabilities))
        said = f"models that never saw any of them give {told:.0%} of them their label, models that saw the other half's {before:.0%}"
        trials = (*heard.trials, TrialResult("leave-out", "ran", detail=said))
        words = self._words(mine, np.flatnonzero((y == target) & ~inside), mark)
        return replace(heard, trials=trials, missing=missing, words=f"{words}. {said[0].upper()}{said[1:]}", nominated=False)

    def _words(self, rows: Int, rest: Int, mark: str | None) -> str:
        shared = "; ".join(self.manner.typical(rows, rest, SHOWN))
        called = f"texts that share the mark [{mark}]" if mark is not None else "texts that are written alike"
        return f"{len(rows):,} {called}. What sets them apart from their label's other rows: {shared or 'no single mark'}"
