"""What a reader of columns holds while it works: what each looks like, who has which role, and what was said."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from assay.dataset.columns import Column
from assay.dataset.data import Columns

LABEL_REMEDY = "name it with --label COLUMN, or scan without labels: --task none"


@dataclass
class Guess:
    """Work in progress: the columns, who has which role, what was said."""

    path: str
    table: pa.Table
    named: Columns  # what the user said
    pictures: bool
    look: dict[str, Column]
    roles: dict[str, str] = field(default_factory=dict)  # column -> role, for columns that are not content
    notes: list[str] = field(default_factory=list)

    def free(self) -> list[Column]:
        """Columns without a role, in their order."""
        return [column for name, column in self.look.items() if name not in self.roles and name not in self.named.content]
