"""Size and mode of each picture as its file says, before anything is resized."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from assay.dataset.data import Dataset

FILES = ("image_folder", "labelled_images")  # formats whose keys are file names


def picture_sizes(data: Dataset) -> list[str | None]:
    """(n,) "height x width mode", where the pictures are files of their own; else the size in which all of them are held.

    None for a file that cannot be opened any more. Only headers are read.
    """
    assert data.images is not None
    if data.format not in FILES:
        height, width, channels = data.images.shape[1:]
        return [f"{height} x {width} {'L' if channels == 1 else 'RGB'}"] * len(data)
    folder = Path(data.path)
    folder = folder if folder.is_dir() else folder.parent
    return [_size(folder / key) for key in data.key]


def _size(path: Path) -> str | None:
    try:
        with Image.open(path) as picture:
            return f"{picture.height} x {picture.width} {picture.mode}"
    except OSError:
        return None
