"""Batches of one data set put together: one table whatever type each batch took a column for."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from assay.dataset.formats.jsonl import as_text


def one_table(tables: Sequence[pa.Table]) -> pa.Table:
    """All rows in one table: columns absent from some are null there, whole numbers beside floats become floats, and
    columns whose types cannot be joined become text (strings as they are, other values as JSON).

    >>> one_table([pa.table({"a": [1]}), pa.table({"a": [2.5], "b": ["x"]})]).to_pydict()
    {'a': [1.0, 2.5], 'b': [None, 'x']}
    >>> one_table([pa.table({"a": [1]}), pa.table({"a": ["x"]})]).to_pydict()
    {'a': ['1', 'x']}
    """
    tables = [plain(table) for table in tables]
    if not tables:
        return pa.table({})
    try:
        return pa.concat_tables(tables, promote_options="permissive" if _differ(tables) else "none")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        pass  # some column has no common type; found below, one by one
    names = dict.fromkeys(name for table in tables for name in table.column_names)
    columns = {}
    for name in names:
        parts = [table.select([name]) if name in table.column_names else pa.table({name: pa.nulls(table.num_rows)}) for table in tables]
        try:
            columns[name] = pa.concat_tables(parts, promote_options="permissive").column(name)
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            columns[name] = pa.chunked_array([pa.array(as_text(part.column(name).to_pylist()), pa.string()) for part in parts])
    return pa.table(columns)


def _differ(tables: Sequence[pa.Table]) -> bool:
    return any(not table.schema.equals(tables[0].schema) for table in tables[1:])


def plain(table: pa.Table) -> pa.Table:
    """The same values in plain types: dictionaries decoded, every kind of string as `string`, extension types as
    stored.
    """
    for i, field in enumerate(table.schema):
        column = table.column(i)
        if isinstance(field.type, pa.ExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks], field.type.storage_type)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
            column = column.cast(pa.string())
        if column is not table.column(i):
            table = table.set_column(i, field.name, column)
    return table.replace_schema_metadata(None)
