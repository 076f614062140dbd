"""Every defence of the benchmark. Third parties add theirs by the entry point group "assay.defences"."""

from __future__ import annotations

from functools import partial
from importlib.metadata import entry_points

from assay.bench.defence import Defence
from assay.bench.peers import (
    abl,
    activation_clustering,
    beatrix,
    confident,
    controls,
    copies,
    cube,
    onion,
    ours,
    outliers,
    scan_decomposition,
    spectre,
    strip,
    toolbox,
    z_defence,
)
from assay.bench.peers import spectral_signatures as spectral

OURS = "assay"
CONTROLS = ("random", "perfect")


def defences() -> tuple[Defence, ...]:
    """Ours, the controls, then the peers."""
    extra = [e.load() for e in sorted(entry_points(group="assay.defences"), key=lambda e: e.name)]
    return (
        Defence(OURS, partial(ours.scan_at, "fast")),
        Defence("assay (full depth)", partial(ours.scan_at, "full"), ("image",), needs=("torch",)),
        Defence("random", controls.random_filter, oracle=("rate",)),
        Defence("perfect", controls.perfect_filter, oracle=("truth",)),
        Defence("activation clustering (size)", activation_clustering.by_size, source="Chen et al. 2018"),
        Defence("activation clustering (silhouette)", activation_clustering.by_silhouette, source="Chen et al. 2018"),
        Defence("spectral signatures (default)", spectral.by_default, source="Tran et al. 2018"),
        Defence("spectral signatures (told)", spectral.told_rate_and_target, oracle=("rate", "target"), source="Tran et al. 2018"),
        Defence("ART activation clustering", toolbox.activation_clustering, needs=("art",), source="Nicolae et al. 2018"),
        Defence("ART spectral signatures", toolbox.spectral_signatures, needs=("art",), source="Nicolae et al. 2018"),
        Defence("SCAn", scan_decomposition.flag, source="Tang et al. 2021"),
        Defence("SPECTRE", spectre.told_rate_and_target, oracle=("rate", "target"), source="Hayase et al. 2021"),
        Defence("Beatrix", beatrix.told_clean_rows, oracle=("clean rows",), source="Ma et al. 2023"),
        Defence("STRIP", strip.told_clean_rows, ("image",), ("clean rows",), source="Gao et al. 2019"),
        Defence("ABL isolation", abl.told_rate, ("image",), ("rate",), ("torch",), source="Li et al. 2021"),
        Defence("Z-defence", z_defence.flag, ("text",), source="He et al. 2023"),
        Defence("ONION-like", onion.told_clean_rows, ("text",), ("clean rows",), source="Qi et al. 2021"),
        Defence("CUBE-like", cube.flag, ("text",), source="Cui et al. 2022"),
        Defence("MinHash (datasketch)", copies.flag, ("text",), needs=("datasketch",), source="Broder 1997"),
        Defence("cleanlab", confident.flag, needs=("cleanlab",), source="Northcutt et al. 2021"),
        Defence("ECOD", outliers.ecod, needs=("pyod",), source="Li et al. 2022"),
        Defence("isolation forest", outliers.isolation_forest, source="Liu et al. 2008"),
        *extra,
    )
