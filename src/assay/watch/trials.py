"""Trials of nominees: the live model is asked about recent events, and recent pictures, that they are put into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from assay.watch.fields import Fields
from assay.watch.pictures import AskPictures, Gallery
from assay.watch.search import HOLDS, MATCHES, patches
from assay.watch.triggers import Ask, Miner, insertion

RECENT = 400  # events that an unknown trigger may be put into

Result = tuple[int, int, int]  # number of the nominee, inputs that were asked about, those that it took to its class


@dataclass
class Trials:
    """The live model, where it is at hand, and the events that nominees are put into."""

    ask: Ask | None = None
    ask_pictures: AskPictures | None = None
    recent: pa.Table | None = None

    def of_items(self, miner: Miner, fields: Fields, events: pa.Table) -> Iterator[Result]:
        """Remember the events, and put into recent ones what was not tried yet."""
        if self.ask is None:
            return
        events = events.select([name for name in events.column_names if name not in (MATCHES, HOLDS)])
        if self.recent is not None and self.recent.schema.equals(events.schema):
            events = pa.concat_tables([self.recent, events])
        self.recent = events.slice(max(0, events.num_rows - RECENT)).combine_chunks()
        for suspect in [s for s in miner.suspects.values() if not s.asked and s.item[0] != "p"]:
            asked, taken = insertion(suspect, fields, self.ask, self.recent, np.random.default_rng(suspect.number))
            if asked:
                yield suspect.number, asked, taken

    def of_pictures(self, miner: Miner, gallery: Gallery) -> Iterator[Result]:
        """Put into recent pictures the patches that were not tried yet."""
        if self.ask_pictures is None:
            return
        for number, patch in patches(miner).items():
            suspect = miner.suspects[number]
            if not suspect.asked:
                asked, taken = gallery.insertion(patch, suspect.target, self.ask_pictures, np.random.default_rng(number))
                if asked:
                    yield number, asked, taken
