"""Inclusion and consistency proofs: published probes, and properties over random trees."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.dataset.merkle import leaf_hash, node_hash, tree_hash
from assay.ledger.errors import Tampered
from assay.ledger.proofs import Nodes, check_consistency, check_inclusion, consistency, inclusion, root

# the inputs of the Certificate Transparency tests (as in test_dataset_merkle.py)
LEAVES = [bytes.fromhex(x) for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]

# github.com/transparency-dev/merkle (Apache-2.0), testdata/inclusion/{1,2,3,4}/happy-path.json: leafIdx, treeSize, proof
INCLUSION = [
    (0, 8, ["lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=", "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ="]),
    (5, 8, ["vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=", "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="]),
    (2, 3, ["+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU="]),
    (1, 5, ["bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=", "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms="]),
]  # fmt: skip
# testdata/consistency/{2,3,4}/happy-path.json: size1, size2, proof
CONSISTENCY = [
    (6, 8, ["DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=", "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="]),
    (2, 5, ["Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=", "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms="]),
    (6, 7, ["DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=", "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="]),
]  # fmt: skip


def nodes(entries: Sequence[bytes]) -> Nodes:
    """The subtrees by the definition alone."""

    def node(level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(entries[index])
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    return node


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_published_inclusion_probes(index: int, size: int, path: list[str]) -> None:
    made = inclusion(index, size, nodes(LEAVES))
    assert made == [b64decode(h) for h in path]
    check_inclusion(index, size, leaf_hash(LEAVES[index]), made, tree_hash(LEAVES[:size]))


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCY)
def test_published_consistency_probes(old: int, new: int, path: list[str]) -> None:
    made = consistency(old, new, nodes(LEAVES))
    assert made == [b64decode(h) for h in path]
    check_consistency(old, tree_hash(LEAVES[:old]), new, tree_hash(LEAVES[:new]), made)


trees = st.lists(st.binary(max_size=4), min_size=1, max_size=80)


@given(trees, st.data())
def test_every_proof_holds_and_is_short(entries: list[bytes], data: st.DataObject) -> None:
    size = len(entries)
    node, head = nodes(entries), tree_hash(entries)
    assert root(size, node) == head
    index = data.draw(st.integers(0, size - 1))
    path = inclusion(index, size, node)
    assert len(path) <= (size - 1).bit_length()
    check_inclusion(index, size, leaf_hash(entries[index]), path, head)
    old = data.draw(st.integers(0, size))
    check_consistency(old, tree_hash(entries[:old]), size, head, consistency(old, size, node))


@given(trees, st.data())
def test_a_proof_fits_nothing_else(entries: list[bytes], data: st.DataObject) -> None:
    """Another leaf, place, size, root, order or length of the path: refused."""
    size = len(entries)
    node, head = nodes(entries), tree_hash(entries)
    index = data.draw(st.integers(0, size - 1))
    path, leaf = inclusion(index, size, node), leaf_hash(entries[index])
    wrong = [
        (index, size, leaf_hash(entries[index] + b"!"), path, head),
        (index, size, leaf, [*path, leaf], head),
        (index, size, leaf, path, leaf_hash(head)),
        (size, size, leaf, path, head),
        (-1, size, leaf, path, head),
    ]
    if path:
        wrong += [(index, size, leaf, path[1:], head), (index, size, leaf, path[:-1], head), (index ^ 1, size, leaf, path, head)]
    for case in wrong:
        if case[0] != index and 0 <= case[0] < size and entries[case[0]] == entries[index]:
            continue  # equal neighbours: a true statement, perhaps with a path that happens to be the same
        with pytest.raises(Tampered):
            check_inclusion(*case)


@given(trees, st.data())
def test_a_rewritten_history_has_no_consistency_proof(entries: list[bytes], data: st.DataObject) -> None:
    size = len(entries)
    old = data.draw(st.integers(1, size))
    changed = data.draw(st.integers(0, old - 1))
    lied = [*entries]
    lied[changed] += b"!"
    honest = tree_hash(entries[:old])
    with pytest.raises(Tampered):
        check_consistency(old, honest, size, tree_hash(lied), consistency(old, size, nodes(lied)))
    with pytest.raises(Tampered):
        check_consistency(size + 1, honest, size, tree_hash(entries), [])
    for path in ([], [honest] * 3, [*consistency(old, size, nodes(entries)), honest]):
        if path != consistency(old, size, nodes(entries)):
            with pytest.raises(Tampered):
                check_consistency(old, honest, size, tree_hash(entries), path)
