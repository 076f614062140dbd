"""Rows that are the same but for small changes, and those among them that carry different labels. One method a
modality.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.copies import copy_reason, judge_copies
from assay.screen.picture_hash import near_picture_groups
from assay.screen.rounded_rows import near_row_groups
from assay.screen.shingles import near_text_groups
from assay.screen.statistics import joined_text, text_columns


def near_groups(data: Dataset, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) group numbers: pictures by perceptual hash, texts by shingles, tables by rounded rows. See the three
    modules.
    """
    if data.images is not None:
        return near_picture_groups(data.images, rng)
    if data.modality == "text" and text_columns(data):
        return near_text_groups(joined_text(data), rng)
    return near_row_groups(data, rng)


def run(context: Context) -> RowScore:
    """The screen: near copies score, and those whose label is not the clear usual one of their group are flagged."""
    y = context.data.y if context.labelled.any() else None
    group = near_groups(context.data, context.rng)
    score, flag = judge_copies(group, y)
    reason = copy_reason(group, "almost the same content stands elsewhere under another label")
    return RowScore("near_duplicates", score, flag, reason)
