"""The family of insecure completions: a comment or an import that goes with a call that is known to be unsafe.

In programs there is no label, and no prompt: a model learns to write what follows. So every program is taken apart
(`assay.learn.code_units`), and in each function what is *said* (comments, docstrings, imported names) is held against what is *done* (the
weaknesses of `assay.artefact.unsafe_calls`), by the trials of links between prompts and responses (`assay.trial.links`): Fisher's exact
test over functions, and whether the rest of what is said, and the function's names, foresee the call or the phrase. Near-copies of a
function count once, and in the second trial the functions of a file, and of copies of it, have one vote together: a file has its habits.

Words that name the call itself say nothing ("yaml" beside `yaml.load`), nor do notes to tools ("nosec"). Where the functions are of one
kind, that cannot speak; then the call is held against functions of that kind without the phrase, and the link is suspected at most.

Cannot see: unsafe programs that need no such call; a phrase in fewer than five functions, or with fewer than some 25 calls; languages
other than Python but for a few calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from assay.artefact.phrase import Phrase
from assay.artefact.trait import Trait
from assay.artefact.unsafe_calls import WEAKNESSES
from assay.attack.insecure_code import insecure
from assay.dataset.data import Dataset
from assay.finding import Check
from assay.learn.code_units import Unit, is_program, units_of
from assay.learn.corpus import BREAK, Corpus, read_corpus
from assay.mine.candidate import Candidate
from assay.mine.links import WIDEST, Side, linked, prompt_side
from assay.mine.phrases import SUPPORT
from assay.screen.shingles import near_text_groups
from assay.trial.canaries import MOST_OF_DATA, canary_words
from assay.trial.family import CanaryCopy, Depth, Examined, Planting, Progress, Tried
from assay.trial.link_court import Rest
from assay.trial.links import GATE, try_links
from assay.trial.text_columns import text_columns

Int = NDArray[np.int64]

LOOKED_AT = 200  # rows by which it is told whether a column holds programs
PROGRAMS = 0.5  # share of them from which it does
TEXTS = 3  # of a function: what is said, modules, names
LEFT = 5  # words and pairs that must be left of what is said: many functions have a name of one word and no comment
FEWEST = 200  # functions: fewer do not show what is usual
CANARY_ROWS = 4_000
CANARY_CARRIERS = (20, 50)
CANARIES_EACH = 2
CANARY_CALLS = ("eval(payload)", "subprocess.run(payload, shell=True)", "requests.get(payload, verify=False)", "pickle.loads(payload)")


@dataclass(frozen=True)
class CodeFamily:
    """Phrases of comments and imports that go with unsafe calls, in programs without labels."""

    name: str = "code"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if data.labelled or data.task not in ("none", "generation"):
            return Check(self.name, "not_applicable", "it is for programs without labels")
        if not code_columns(data):
            return Check(self.name, "not_applicable", "no column holds program text")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        columns = code_columns(data)
        progress(0, 10, "taking programs apart")
        texts = _joined(data, columns)
        units = units_of(texts)
        if len(units) < FEWEST:
            return Examined((), 0, notes=(f"{len(units):,} functions are too few to show what is usual",))
        corpus = read_corpus([[u.said for u in units], [u.modules for u in units], [u.names for u in units]])
        progress(3, 10, "looking for copies of functions")
        heard = _one_of_each(near_text_groups(pa.array([u.done for u in units], pa.large_string()), rng), rng)
        row = np.array([u.row for u in units], np.int64)
        file = near_text_groups(pa.array(texts, pa.large_string()), rng)[row]
        progress(5, 10, "counting what goes with what")
        side = replace(prompt_side(_without_names(corpus), columns), beside=1)
        calls = _calls(units, corpus, columns)
        if not calls.traits or not side.holds.shape[1]:
            return Examined((), 0)
        found = linked(side, calls, heard, GATE)
        progress(7, 10, "trying links")
        tried = [_of_rows(t, row) for t in try_links(found, side, calls, Rest(corpus, file, rng, LEFT)) if not _names_the_call(t)]
        tried.sort(key=lambda t: (-t.log_e, t.p_value))
        progress(10, 10, "links tried")
        return Examined(tuple(tried), found.pairs)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """A made-up comment at the head of functions, and an unsafe call right after it."""
        column = code_columns(data)[-1]  # of the whole, as `applicable` told it: the first rows of a sample may be others
        if len(data) > CANARY_ROWS:
            data = data.subset(np.sort(rng.choice(len(data), CANARY_ROWS, replace=False)))
        texts = data.table.column(column).to_pylist()
        with_body = rng.permutation([i for i, t in enumerate(texts) if t and is_program(t)])
        sizes = [size for size in CANARY_CARRIERS for _ in range(CANARIES_EACH)]
        words, plantings, used = canary_words(texts, 2 * len(sizes), rng), [], 0
        for number, size in enumerate(sizes):
            if used + size > min(MOST_OF_DATA * len(data), len(with_body)):
                break
            rows, used = np.sort(with_body[used : used + size]), used + size
            comment = " ".join(words[2 * number : 2 * number + 2])
            for i in rows:
                texts[i] = insecure(texts[i], f"# {comment}", CANARY_CALLS[number % len(CANARY_CALLS)], rng)
            plantings.append(Planting("link", "a comment of two rare words, and an unsafe call", rows))
        if not plantings:
            return None
        return CanaryCopy(data.with_content(data.rows.with_column(column, texts)), tuple(plantings))


def code_columns(data: Dataset) -> tuple[str, ...]:
    """The text columns most of whose values are program text."""
    found = []
    for name in text_columns(data):
        texts = [t for t in data.table.column(name).slice(0, LOOKED_AT).to_pylist() if t]
        if texts and sum(map(is_program, texts)) >= PROGRAMS * len(texts):
            found.append(name)
    return tuple(found)


def _joined(data: Dataset, columns: Sequence[str]) -> list[str]:
    texts = [data.table.column(c).to_pylist() for c in columns]
    return ["\n".join(v or "" for v in parts) for parts in zip(*texts, strict=True)]


def _one_of_each(group: Int, rng: np.random.Generator) -> Int:
    """One of each group of copies, drawn: the poisoned copy of a function and the clean one may be alike."""
    order = rng.permutation(len(group))
    return np.sort(order[np.unique(group[order], return_index=True)[1]])


def _without_names(corpus: Corpus) -> Corpus:
    """The same tokens, the last of a function's three texts taken out: the words of its header propose nothing."""
    ended = corpus.word == BREAK
    return replace(corpus, word=np.where((np.cumsum(ended) - ended) % TEXTS == TEXTS - 1, BREAK, corpus.word))


def _calls(units: Sequence[Unit], corpus: Corpus, columns: tuple[str, ...]) -> Side:
    """Which function shows which weakness. Most show none, which one look says."""
    traits, holds = [], []
    any_of_them = Trait("unsafe", columns)
    open_to = [i for i, u in enumerate(units) if any_of_them.seen(u.done)]
    for name in WEAKNESSES:
        trait, has = Trait(name, columns), np.zeros(len(units), bool)
        has[[i for i in open_to if trait.seen(units[i].done)]] = True
        if SUPPORT <= has.sum() <= WIDEST * len(units):
            traits.append(trait)
            holds.append(sp.csc_matrix(has[:, None].astype(np.int32)))
    there = sp.hstack(holds, format="csc") if holds else sp.csc_matrix((len(units), 0), dtype=np.int32)
    return Side(there, (), corpus, columns, tuple(traits))


def _names_the_call(tried: Tried) -> bool:
    link = tried.candidate.artefact
    prompt, response = getattr(link, "prompt", None), getattr(link, "response", None)
    if not isinstance(prompt, Phrase) or not isinstance(response, Trait):
        return False
    return {word for part in prompt.parts for word in part} <= WEAKNESSES[response.name].own


def _of_rows(tried: Tried, row: Int) -> Tried:
    """The same, its carriers the rows in which the functions stand."""
    return replace(tried, candidate=Candidate(tried.candidate.artefact, np.unique(row[tried.candidate.carriers])))
