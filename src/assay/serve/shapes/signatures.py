"""Known triggers and poisoned releases: the list that scans may look for."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from assay.serve.shapes.base import In, Line, Out


class NewSignatures(In):
    """A signed list (docs/corpora.md), and the key that must have signed it: NAME+ID+BASE64."""

    note: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x20\x7f]+$")]


class Signature(Out):
    """`least`: so many rows must carry it before a scan speaks of it. `content`: whether rows are looked at; else digests of files."""

    id: str
    name: str
    source: str
    least: int
    content: bool
    digests: int


class SignatureList(Out):
    """`key`: who signed it; None for the list that comes with Assay."""

    version: int
    issued: Line
    key: str | None
    items: list[Signature]
