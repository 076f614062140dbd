"""From what a person asked for to an engine."""

from __future__ import annotations

from assay.engine.base import Engine, NoEngine
from assay.engine.local import LOCAL

NAMES = ("local", "ray")


def choose(name: str, address: str | None = None, workers: int | None = None) -> Engine:
    """The engine `name`: "local" is this process, or with `workers` that many processes of this machine; "ray" a cluster.

    >>> choose("local").name
    'local'
    """
    if workers is not None and workers < 1:
        raise NoEngine(f"{workers} workers do no work. Remedy: give one or more")
    if name == "ray":
        from assay.engine.cluster import Cluster

        return Cluster(address, workers)
    if name != "local":
        raise NoEngine(f"no engine {name!r}. Remedy: choose {' or '.join(NAMES)}")
    if address is not None:
        raise NoEngine("only a Ray cluster has an address. Remedy: add --engine ray")
    if workers is None or workers == 1:
        return LOCAL
    from assay.engine.cores import Cores

    return Cores(workers)
