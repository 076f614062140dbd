"""assay screen-context"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

HELP = """Screen retrieved passages before a model reads them.

FILE, or - for standard input, is JSON: {"query": "...", "passages": [...]}, or a list of passages; a passage is a text, or an object with \
text and perhaps id. JSON comes out, with an action (drop or keep), a score and reasons for each passage.

Exit code: 0 all may be kept; 1 some should be dropped; 2 the input is wrong.
"""
LARGEST = 64 << 20  # bytes of input


def add(app: typer.Typer) -> None:
    app.command("screen-context", help=HELP, short_help="Screen retrieved passages before a model reads them.")(screen)


def screen(
    file: str = typer.Argument(help="A JSON file, or - for standard input."),
    query: str | None = typer.Option(None, help="What was asked, in place of the query in the input."),
    signatures: str | None = typer.Option(None, help="Known triggers to match: a signed file, or builtin."),
) -> int:
    """Screen, print JSON, and return the exit code."""
    from assay.known.signatures import open_signatures
    from assay.trial.passages import screen_context, to_json

    asked, keys, texts = _read(file)
    asked = asked if query is None else query
    known = None if signatures is None else open_signatures(signatures)
    told = to_json(keys, screen_context(texts, asked, known), asked)
    typer.echo(json.dumps(told, ensure_ascii=False))
    return 1 if told["dropped"] else 0


def _read(file: str) -> tuple[str, list[Any], list[str]]:
    """(query, ids, texts) of the input."""
    from assay.dataset.errors import DataError

    remedy = 'give {"query": "...", "passages": ["...", {"id": ..., "text": "..."}]}'
    where = "standard input" if file == "-" else file
    if file != "-" and not Path(file).is_file():
        raise DataError("there is no such file", path=file, remedy=remedy)
    raw = sys.stdin.buffer.read(LARGEST + 1) if file == "-" else Path(file).read_bytes()
    if len(raw) > LARGEST:
        raise DataError(f"more than {LARGEST:,} bytes", path=where, remedy="give the passages of one query")
    try:
        told = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON ({error})", path=where, remedy=remedy) from error
    asked, passages = (told.get("query", ""), told.get("passages")) if isinstance(told, dict) else ("", told)
    if not isinstance(passages, list) or not isinstance(asked, str):
        raise DataError("there is no list of passages", path=where, remedy=remedy)
    keys, texts = [], []
    for number, passage in enumerate(passages):
        text = passage.get("text") if isinstance(passage, dict) else passage
        if not isinstance(text, str):
            raise DataError("a passage is a text, or an object with a text", path=where, row=number, remedy=remedy)
        keys.append(passage.get("id", number) if isinstance(passage, dict) else number)
        texts.append(text)
    return asked, keys, texts
