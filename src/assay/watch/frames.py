"""Batches as a journal keeps them: an Arrow stream each, with the batch's name where it has one; and which names were taken."""

from __future__ import annotations

from collections import OrderedDict

import pyarrow as pa

NAME = b"assay.batch"  # key of the metadata
NAMES = 1000  # of batches that are remembered


class Names(OrderedDict[str, None]):
    """The names of the last `NAMES` batches: one that is sent again is passed over."""

    def add(self, name: str | None) -> None:
        """Remember a name, where there is one."""
        if name is not None:
            self[name] = None
            while len(self) > NAMES:
                self.popitem(last=False)


def to_frame(table: pa.Table, name: str | None) -> bytes:
    """The payload of a frame.

    >>> table, name = of_frame(to_frame(pa.table({"prediction": ["1"]}), "b7"))
    >>> table.num_rows, name
    (1, 'b7')
    """
    table = table.replace_schema_metadata(None if name is None else {NAME: name.encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def of_frame(payload: bytes) -> tuple[pa.Table, str | None]:
    """The inverse of `to_frame`."""
    table = pa.ipc.open_stream(payload).read_all()
    name = (table.schema.metadata or {}).get(NAME)
    return table, None if name is None else name.decode()
