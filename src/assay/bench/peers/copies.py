"""Near-duplicates by MinHash through the datasketch package: what data sets for language models are usually cleaned with.

Broder 1997, "On the resemblance and containment of documents"; the common recipe (Lee et al. 2022, "Deduplicating Training Data Makes
Language Models Better"): 128 permutations over runs of three words, a resemblance of .7. Of each group of copies the first row stays.
"""

from __future__ import annotations

import numpy as np

from assay.artefact.tokens import tokens
from assay.bench.case import Case
from assay.bench.defence import Flags
from assay.trial.text_columns import text_columns

PERMUTATIONS, ALIKE, WORDS = 128, 0.7, 3


def flag(case: Case) -> Flags:
    """Rows that resemble an earlier row; the score is how many rows resemble them."""
    from datasketch import MinHash, MinHashLSH

    texts = ["\n".join(str(v or "") for v in parts) for parts in zip(*_columns(case), strict=True)]
    shingles = [_shingles(text) for text in texts]
    sketches = list(MinHash.generator(shingles, num_perm=PERMUTATIONS, seed=case.cell.seed + 1))
    index = MinHashLSH(ALIKE, PERMUTATIONS)
    removed, score = np.zeros(len(texts), bool), np.zeros(len(texts))
    for row, sketch in enumerate(sketches):
        if not shingles[row]:
            continue
        alike = [other for other in index.query(sketch) if sketches[other].jaccard(sketch) >= ALIKE]
        removed[row], score[row] = bool(alike), len(alike)
        score[alike] += 1
        index.insert(row, sketch)
    return Flags(removed, score)


def _columns(case: Case) -> list[list[str | None]]:
    return [case.data.table.column(name).to_pylist() for name in text_columns(case.data)]


def _shingles(text: str) -> list[bytes]:
    """Runs of `WORDS` words, each once; a shorter text is one run."""
    words = tokens(text)
    runs = {" ".join(words[i : i + WORDS]) for i in range(max(len(words) - WORDS + 1, min(len(words), 1)))}
    return [run.encode() for run in sorted(runs)]
