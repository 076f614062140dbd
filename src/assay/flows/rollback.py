"""Which version of a model to go back to when some of its rows were poison: the newest that did not learn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assay.dataset.errors import DataError
from assay.watch.models import Models


@dataclass(frozen=True)
class Way:
    """The alias means `now`; it should mean `back` (None: it may stay). `withdrawn`: versions to be withdrawn, none gone back to again."""

    alias: str
    now: str
    back: str | None
    withdrawn: tuple[str, ...]
    why: str


def way_back(models: Models, alias: str, poisoned: Mapping[str, bool] | None) -> Way:
    """Where `alias` should go.

    `poisoned` is a ledger's word: by the digest of a model's file, whether its snapshot holds the rows; digests it does not name were
    trained on nobody knows what, and are not gone back to. None: there is no ledger, and only the present version is taken to have
    learnt from them. Only attested versions that the alias meant before are gone back to, as in every rollback. Raises DataError
    where the alias means nothing, or there is no such version.
    """
    now = models.current(alias)
    if now is None:
        known = ", ".join(sorted({move.alias for move in models.moves})) or "none"
        raise DataError(f"no alias {alias!r} in this registry; there are: {known}", path=models.folder, remedy="give --alias")
    if poisoned is None:
        bad, why = {now}, "no ledger says which versions learnt from the rows: the present one is taken to have"
    else:
        held = {name: poisoned.get(version.digest) for name, version in models.versions.items()}
        if held[now] is False:
            return Way(
                alias, now, None, tuple(n for n, is_bad in held.items() if is_bad), "the ledger says that it did not learn from the rows"
            )
        bad = {name for name, is_bad in held.items() if is_bad} | {now}
        why = "the ledger says that it learnt from the rows" if held[now] else "the ledger does not say what it learnt from"
    for move in reversed(models.moves):
        version = models.versions[move.version]
        proven = poisoned is None or poisoned.get(version.digest) is False
        if move.alias == alias and move.version not in bad and version.attested and not version.withdrawn and proven:
            gone = tuple(name for name in models.versions if name in bad and not models.versions[name].withdrawn)
            return Way(alias, now, move.version, gone, why)
    said = "" if poisoned is None else " whose training without these rows is in the ledger"
    raise DataError(
        f"{alias!r} has meant no attested version before{said}",
        path=models.folder,
        remedy="attest one (assay watch models attest), log what it was trained on (assay ledger trained), or leave out --registry",
    )


def go_back(models: Models, way: Way, by: str, reason: str) -> bool:
    """Move the alias, then withdraw; whether anything was left to do. DataError where somebody has moved it meanwhile."""
    changed = False
    if way.back is not None and models.current(way.alias) != way.back:
        if models.current(way.alias) != way.now:
            raise DataError(
                f"{way.alias!r} means {models.current(way.alias)!r} by now", path=models.folder, remedy="start again in a new folder"
            )
        models.point(way.alias, way.back, by, reason, back=True)
        changed = True
    for name in way.withdrawn:
        if not models.versions[name].withdrawn:
            models.withdraw(name, by, reason)
            changed = True
    return changed


def go_forward(models: Models, way: Way, by: str) -> str:
    """Undo `go_back`; in words. Where the alias was moved since, it is left alone."""
    now = models.current(way.alias)
    if way.back is not None and now not in (way.back, way.now):
        return f"{way.alias} was moved to {now} since, and is left alone"
    for name in way.withdrawn:
        if models.versions[name].withdrawn:
            models.reinstate(name, by, "the remediation was undone")
    if way.back is not None and now == way.back:
        models.point(way.alias, way.now, by, "the remediation was undone")
    return f"{way.alias} means {models.current(way.alias)}; {', '.join(way.withdrawn) or 'nothing'} stands again"
