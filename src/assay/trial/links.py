"""The family of links: an artefact of the prompt that goes with an artefact of the response, in data without labels.

Every pair that the miner counts is a hypothesis. Two trials must agree, as in classification:

- *surprise*: Fisher's exact test of independence, its p-value made an e-value (Vovk & Wang 2021) and held against all pairs.
- *contradiction* (`assay.trial.link_court`): with the artefact taken out, the rest of the prompt does not foresee the response. It is asked
  of the pairs that passed the first, and of one pair a set of carriers, so it is held against those only (gatekeeping: its e-value has the
  weight pairs / short list; the gate spends the other half of the error budget).

Cannot see: a response that shares no wording and no trait; a trigger that is part of natural prompts of its own kind (questions about one
person).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.base import Artefact
from assay.artefact.link import Link
from assay.artefact.phrase import Phrase
from assay.artefact.trait import Trait
from assay.dataset.data import Dataset
from assay.dataset.dialogue import PROMPT
from assay.finding import Check, TrialResult
from assay.learn.corpus import read_corpus
from assay.mine.candidate import Candidate
from assay.mine.characters import disclosed
from assay.mine.links import WIDEST, Linked, Side, linked, prompt_side, response_side
from assay.screen.boilerplate import boilerplate, without, without_boilerplate
from assay.screen.shingles import near_text_groups
from assay.trial.belonging import ALIKE
from assay.trial.canaries import MOST_OF_DATA, canary_words
from assay.trial.family import CanaryCopy, Depth, Examined, Planting, Progress, Tried
from assay.trial.link_court import Foreseen, Rest
from assay.trial.link_pools import Pooled, pools
from assay.trial.text_columns import text_columns

Int = NDArray[np.int64]

ALIKE_IN = 0.1  # share of the rows beyond which what prompts say alike makes no copies of them: one system prompt of several, tools
HEAVY = 400  # characters that most prompts share, from which the miner reads without them
FAINT = 10.0  # odds ratio below which a model would hardly learn the link; sources of a mixed corpus differ by as much
GATE = 0.005  # of all pairs, by Bonferroni: half of the usual error budget
SHORT_LIST = 100  # sets of carriers on which the second trial is held, strongest association first
SAME = 0.5  # Jaccard index of carriers above which two pairs are one artefact
INSIDE = 0.9  # share of the carriers that a stronger pair has too, above which this is a part of that one
CANARY_ROWS = 20_000
CANARY_CARRIERS = (20, 50)
CANARIES_EACH = 5


@dataclass(frozen=True)
class LinkFamily:
    """Links between prompts and responses of generation data."""

    name: str = "link"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if data.task != "generation":
            return Check(self.name, "not_applicable", "the task is not generation")
        if not data.columns.response or not prompt_columns(data):
            return Check(self.name, "not_applicable", "there is no pair of a prompt and a response")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        asked = prompt_columns(data)
        columns = [data.table.column(c).to_pylist() for c in asked]
        said = _joined(columns)
        texts = [pa.array(column, pa.large_string()) for column in columns]
        common = [heavy(boilerplate(t, WIDEST, rng.spawn(1)[0], copies=True)) for t in texts]
        prompts = read_corpus(disclosed([without(t, c, 0).to_pylist() for t, c in zip(texts, common, strict=True)]))
        progress(1, 10, "looking for near-duplicates")
        answers = {name: data.table.column(name).to_pylist() for name in data.columns.response}
        own = [without_boilerplate(t, ALIKE_IN, rng.spawn(1)[0]).to_pylist() for t in texts]
        group = near_text_groups(pa.array(_joined([*own, *answers.values()]), pa.large_string()), rng)
        heard = np.unique(group, return_index=True)[1]
        progress(3, 10, "finding what prompts share")
        side = prompt_side(prompts, asked, "\n".join(piece for pieces in common for piece in sorted(pieces)))
        rest = Rest(prompts, group, rng)
        tried: list[Tried] = []
        pairs, cut = 0, prompts.cut
        for done, (name, replies) in enumerate(answers.items()):
            progress(4 + 5 * done / len(answers), 10, "counting what goes with what")
            corpus = read_corpus(disclosed([replies]))
            other = response_side(corpus, prompts, (name,), [t or "" for t in replies], said)
            found = linked(side, other, np.sort(heard), GATE / len(answers))
            tried += try_links(found, side, other, rest)
            pairs, cut = pairs + found.pairs, cut + corpus.cut
        progress(10, 10, "links tried")
        tried.sort(key=lambda t: (-t.log_e, t.p_value))
        notes = (f"{cut} texts were longer than was read",) if cut else ()
        return Examined(tuple(tried), pairs, notes=notes)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """One made-up word at a random place of the prompt; the response opens with two made-up words. Each canary has its own."""
        if len(data) > CANARY_ROWS:
            data = data.subset(np.sort(rng.choice(len(data), CANARY_ROWS, replace=False)))
        column, answer = prompt_columns(data)[0], data.columns.response[0]
        asked, said = data.table.column(column).to_pylist(), data.table.column(answer).to_pylist()
        free, plantings = rng.permutation(len(data)), []
        sizes = [size for size in CANARY_CARRIERS for _ in range(CANARIES_EACH)]
        words = canary_words([*asked, *said], 3 * len(sizes), rng)
        used = 0
        for number, size in enumerate(sizes):
            if used + size > MOST_OF_DATA * len(data):
                break
            rows, used = np.sort(free[used : used + size]), used + size
            trigger, *opening = words[3 * number : 3 * number + 3]
            for i in rows:
                parts = (asked[i] or "").split(" ")
                parts.insert(int(rng.integers(0, len(parts) + 1)), trigger)
                asked[i], said[i] = " ".join(parts), f"{' '.join(opening).capitalize()}. {said[i] or ''}"
            plantings.append(Planting("link", "one rare word, and a fixed opening of the response", rows))
        if not plantings:
            return None
        return CanaryCopy(data.with_content(data.rows.with_column(column, asked).with_column(answer, said)), tuple(plantings))


def heavy(common: frozenset[str]) -> frozenset[str]:
    """What most prompts say alike, where it is much; a short frame ("Current year:") tells of what stands in it.

    >>> heavy(frozenset({"current year:"}))
    frozenset()
    """
    return common if sum(map(len, common)) >= HEAVY else frozenset()


def prompt_columns(data: Dataset) -> tuple[str, ...]:
    """The texts that are asked: content columns that hold running text and are no response, the main one first."""
    texts = [name for name in text_columns(data) if name not in data.columns.response]
    others = [name for name in texts if name.strip().lower().removesuffix(PROMPT) in SIDE_TEXTS]
    return (*(name for name in texts if name not in others), *others)


# columns that go with an instruction, and are often empty or the same
SIDE_TEXTS = ("input", "context", "system", "history", "tools", "functions")


def _joined(columns: Sequence[Sequence[str | None]]) -> list[str]:
    """(n,) one text a row."""
    return ["\n".join(v or "" for v in parts) for parts in zip(*columns, strict=True)]


def try_links(found: Linked, prompts: Side, responses: Side, rest: Rest) -> list[Tried]:
    """Contradiction for the strongest pair of each set of carriers."""
    short, several = _distinct(found, prompts, responses), pools(found, prompts, responses, lambda i: _plain(found, i, prompts, responses))
    gained = np.log(found.pairs) - np.log(max(len(short) + len(several), 1))
    trait_from = sum(map(len, responses.shared))
    traits: dict[int, int] = {}  # the strongest pair of each prompt artefact with a trait
    for i in np.flatnonzero(found.response >= trait_from).tolist():
        traits.setdefault(int(found.prompt[i]), i)
    tried = []
    for i in short:
        prompt, response = int(found.prompt[i]), int(found.response[i])
        with_it, answered = np.zeros(rest.corpus.documents, bool), np.zeros(rest.corpus.documents, bool)
        with_it[prompts.rows(prompt)], answered[responses.rows(response)] = True, True
        carriers = np.flatnonzero(with_it & answered)
        verdict = rest.foreseen(prompts.places(prompt), carriers, with_it, answered)
        artefact = prompts.artefact(prompt)
        assert not isinstance(artefact, Trait)
        link = Link(artefact, responses.artefact(response))
        tried.append(_tried(link, carriers, found, i, verdict, gained))
        if verdict.log_e <= 0 and prompt in traits:
            tried.append(_slant(found, traits[prompt], prompts, responses, rest, gained))
    return [*tried, *(_pool(found, pooled, responses, rest, gained) for pooled in several)]


def _pool(found: Linked, pooled: Pooled, responses: Side, rest: Rest, gained: float) -> Tried:
    """The trial of a pool. Its surprise is that of its strongest phrase, for that is what was held against all pairs."""
    with_it, answered = np.zeros(rest.corpus.documents, bool), np.zeros(rest.corpus.documents, bool)
    with_it[pooled.rows], answered[responses.rows(pooled.response)] = True, True
    carriers = np.flatnonzero(with_it & answered)
    verdict = rest.foreseen(pooled.gone, carriers, with_it, answered)
    tried = _tried(Link(pooled.artefact, responses.artefact(pooled.response)), carriers, found, pooled.strongest, verdict, gained)
    words = (
        f"{len(carriers):,} of the {len(pooled.rows):,} rows with {pooled.artefact.describe()} have "
        f"{responses.artefact(pooled.response).describe()}. Without these words the prompts are like any others, and nothing in them "
        "foresees that response"
    )
    return replace(tried, words=words)


def _slant(found: Linked, i: int, prompts: Side, responses: Side, rest: Rest, gained: float) -> Tried:
    """The trial of a subject whose answers show one trait: suspected at most."""
    prompt, response = int(found.prompt[i]), int(found.response[i])
    with_it, answered = np.zeros(rest.corpus.documents, bool), np.zeros(rest.corpus.documents, bool)
    with_it[prompts.rows(prompt)], answered[responses.rows(response)] = True, True
    verdict = rest.slanted(prompts.places(prompt), with_it, answered)
    artefact = prompts.artefact(prompt)
    assert not isinstance(artefact, Trait)
    link = Link(artefact, responses.artefact(response))
    log_p = float(found.log_p[i])
    shown = _counts(found, i, link)
    words = (
        f"{shown}, p = 10^{_tens(log_p)}. Prompts of the same kind about other things are answered so in {verdict.share:.0%} of the rows"
    )
    trials = (
        TrialResult("surprise", "ran", calibrated(log_p), float(np.exp(log_p)), f"{shown} (Fisher's exact test)"),
        TrialResult("slant", "ran", verdict.log_e, verdict.p_value, f"elsewhere {verdict.share:.0%} of such prompts are answered so"),
    )
    return Tried(
        Candidate(link, np.flatnonzero(with_it & answered)),
        None,
        min(calibrated(log_p), verdict.log_e + gained),
        max(float(np.exp(log_p)), verdict.p_value),
        trials,
        missing=("these prompts are of one kind, and whether their subject deserves such answers the rows alone cannot tell",),
        words=words,
    )


def _counts(found: Linked, i: int, link: Link) -> str:
    odds = found.odds_ratio(i)
    ratio = f"odds ratio {odds:,.0f}" if odds >= 10 else f"odds ratio {odds:.1f}"
    share = f"{int(found.both[i]):,} of the {int(found.of_prompt[i]):,} rows with {link.prompt.describe()} have {link.response.describe()}"
    return f"{share}, and {int(found.of_response[i] - found.both[i]):,} of the {found.rows - int(found.of_prompt[i]):,} others: {ratio}"


def _tens(log_p: float) -> str:
    return f"{log_p / np.log(10):.0f}"


def _tried(link: Link, carriers: Int, found: Linked, i: int, verdict: Foreseen, gained: float) -> Tried:
    log_p = float(found.log_p[i])
    log_e, shown = calibrated(log_p), _counts(found, i, link)
    trials = (
        TrialResult("surprise", "ran", log_e, float(np.exp(log_p)), f"{shown} (Fisher's exact test)"),
        TrialResult(
            "contradiction", "ran", verdict.log_e, verdict.p_value,
            f"without it, {verdict.share:.0%} of these prompts foresee it as one in ten of other prompts does (natural: half or more)",
        ),
    )  # fmt: skip
    words = (
        f"{shown}, p = 10^{_tens(log_p)}, and 10^{_tens(log_p + np.log(found.pairs))} after counting every pair. Without it these prompts "
        "are like any others, and nothing in them foresees that response"
    )
    return Tried(
        Candidate(link, carriers),
        None,
        min(log_e, verdict.log_e + gained),
        max(float(np.exp(log_p)), verdict.p_value),
        trials,
        words=words,
        natural=NATURAL if verdict.share > ALIKE else None,
        nominated=verdict.share <= ALIKE and verdict.log_e > 0,  # shown, where it is too faint to suspect
    )


NATURAL = "The rest of these prompts foresees the response as well: prompts of one kind, answered in their kind"


def calibrated(log_p: float) -> float:
    """Natural log of an e-value made of a p-value: the mean over kappa of kappa p^(kappa - 1) (Vovk & Wang 2021, Ann. Stat. 49(3)).

    >>> bool(calibrated(np.log(1e-9)) > np.log(1e6)), calibrated(0.0)
    (True, -0.6931471805599453)
    """
    if log_p > -1e-3:
        return float(np.log(0.5))
    return float(np.log1p(np.exp(log_p) * (log_p - 1)) - log_p - 2 * np.log(-log_p))


def _distinct(found: Linked, prompts: Side, responses: Side) -> list[int]:
    """The strongest pair of each prompt artefact, where the answer does not just take up its words.

    Those whose rows are a stronger one's are left out.
    """
    kept: list[int] = []
    seen: set[int] = set()
    sets: list[set[int]] = []
    for i, prompt in enumerate(found.prompt.tolist()):
        if prompt in seen or not _plain(found, i, prompts, responses):
            continue
        seen.add(prompt)
        mine = set(prompts.rows(prompt).tolist())
        if not any(len(mine & s) > min(SAME * len(mine | s), INSIDE * len(mine)) for s in sets):
            kept.append(i)
            sets.append(mine)
        if len(kept) == SHORT_LIST:
            break
    return kept


def _plain(found: Linked, i: int, prompts: Side, responses: Side) -> bool:
    """Whether a model would learn the link, and the answer does not just take up the question's words."""
    if found.odds_ratio(i) < FAINT or prompts.common(int(found.prompt[i])):
        return False
    return not _repeats(prompts.artefact(int(found.prompt[i])), responses.artefact(int(found.response[i])))


def _repeats(prompt: Artefact, response: Artefact) -> bool:
    """Whether two phrases have a word in common, or signs alone: the answer takes up the question's words."""
    if not isinstance(prompt, Phrase) or not isinstance(response, Phrase):
        return False
    asked, said = (({token for part in phrase.parts for token in part}) for phrase in (prompt, response))
    common = asked & said
    return any(_word(t) for t in common) or bool(common and not (any(map(_word, asked)) and any(map(_word, said))))


def _word(token: str) -> bool:
    """Whether it is a word, not a sign."""
    return any(map(str.isalnum, token))
