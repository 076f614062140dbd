"""What commands that try a model on labelled pictures begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.model.networks import Network


def subject(model: Path, data: Path, arch: str | None, needing: str) -> tuple[dict[str, Any], Network, Any, Any]:
    """(weights, the network of them, pictures (n, h, w, c), numbers of its outputs (n,)).

    DataError without PyTorch, which `needing` says what for ("an audit needs"), for rows without a label, or of a class that has no output.
    """
    import importlib.util

    from assay.cli.inspect import check_outputs, loaded, pictures_of
    from assay.dataset.errors import DataError

    if importlib.util.find_spec("torch") is None:
        raise DataError(f"{needing} PyTorch, and it is not installed", remedy="pip install 'assay[torch]'")
    images, y = pictures_of(data)
    if y is None:
        raise DataError("holds rows without a label", path=data, remedy="give labelled pictures")
    weights, network = loaded(model, arch, images.shape)
    check_outputs(network, y, data)
    return weights, network, images, y
