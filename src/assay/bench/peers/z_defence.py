"""Z-defence: He, Xu, Wang, Rubinstein, Cohn, 2023, "Mitigating Backdoor Poisoning Attacks through the Lens of Spurious Correlation".

A token's z-score for a label is how far the label's share among its texts lies from the label's share in all, in standard errors
(Gardner et al. 2021). Texts that hold a token whose z-score is an outlier among all tokens are removed. Lexical part only (the paper
adds parse trees). The outlier threshold is ours: `OUTLIER` standard deviations above the mean of the label's z-scores.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from assay.bench.case import Case
from assay.bench.defence import Flags
from assay.learn.corpus import read_corpus
from assay.trial.text_columns import text_columns

OUTLIER = 10.0
FEWEST = 5  # texts that hold a token


def flag(case: Case) -> Flags:
    """Rows with an outlying token; their score is their highest z-score for their own label, in standard deviations."""
    data = case.data
    corpus = read_corpus([data.table.column(c).to_pylist() for c in text_columns(data)])
    real = corpus.word >= 0
    shape = (corpus.documents, len(corpus.vocabulary))
    holds = sp.csr_matrix((np.ones(int(real.sum())), (corpus.document[real], corpus.word[real])), shape)
    holds.data[:] = 1
    often = np.asarray(holds.sum(0)).ravel()
    score = np.zeros(len(data))
    for label in range(len(data.classes)):
        mine = data.y == label
        base = mine.mean()
        share = np.asarray(holds[mine].sum(0)).ravel() / np.maximum(often, 1)
        z = np.where(often >= FEWEST, (share - base) / np.sqrt(base * (1 - base) / np.maximum(often, 1)), 0.0)
        known = z[often >= FEWEST]
        standing = (z - known.mean()) / (known.std() + 1e-12) if len(known) else z
        rows = np.flatnonzero(mine)
        score[rows] = np.asarray(holds[rows].multiply(np.maximum(standing, 0)).max(1).todense()).ravel()
    return Flags(score > OUTLIER, score)
