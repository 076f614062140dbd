"""Zip archives of pictures: as the folder that they would unpack to, and what is wrong with some."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.dataset.errors import DataError
from assay.dataset.limits import Limits
from assay.dataset.read import read
from assay.dataset.removal import copy_without
from test_dataset_removal import as_pictures, as_zip


def picture(shade: int) -> bytes:
    made = io.BytesIO()
    Image.fromarray(np.full((6, 6), shade, np.uint8)).save(made, "PNG")
    return made.getvalue()


def packed(path: Path, *names: str) -> Path:
    """An archive of 20 sound pictures of two classes, and these."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(20):
            archive.writestr(f"{'cat' if i % 2 else 'dog'}/{i}.png", picture(10 * i))
        for name in names:
            archive.writestr(name, picture(255))
    return path


def test_an_archive_is_read_as_the_folder_in_it(tmp_path: Path) -> None:
    folder, archive = read(as_pictures(tmp_path)), read(as_zip(tmp_path))
    assert (archive.format, archive.classes, archive.fingerprint) == ("zipped_images", folder.classes, folder.fingerprint)
    assert [key.removeprefix("pictures/") for key in archive.key] == list(folder.key)
    assert (archive.images == folder.images).all()  # type: ignore[union-attr]
    assert any("1 file in the archive is no picture by its name and is passed over (" in note for note in archive.notes)


def test_splits_and_hidden_files(tmp_path: Path) -> None:
    names = [f"pets/{part}/{name}/{i}.png" for part in ("train", "test") for name in ("cat", "dog") for i in range(3)]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in (*names, "__MACOSX/pets/train/cat/._0.png", "pets/.thumb.png"):
            archive.writestr(name, picture(len(name)))
    data = read(tmp_path / "a.zip")
    assert (len(data), data.classes) == (12, ("cat", "dog"))
    assert data.table.column("split").to_pylist() == ["test"] * 6 + ["train"] * 6


@pytest.mark.parametrize("name", ["../cat/1.png", "/cat/1.png", "cat\\..\\1.png"])
def test_a_member_that_leads_out_refuses_the_archive(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="leads out of the archive"):
        read(packed(tmp_path / "a.zip", name))


def test_records_that_cannot_be_read_are_listed(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", "cat/locked.png")
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("cat/1.png", picture(3))
    raw = bytearray(path.read_bytes())
    raw[raw.find(b"cat/locked.png") - 30 + 6] |= 1  # its own header, and the directory's, say that it is encrypted
    raw[raw.rfind(b"cat/locked.png") - 46 + 8] |= 1
    first = raw.find(b"dog/0.png") + len("dog/0.png")
    raw[first + 4] ^= 255  # and the first picture does not unpack
    path.write_bytes(raw)
    data = read(path, limits=Limits(faults=0.5))
    reasons = {record.key: record.reason for record in data.unreadable}
    assert len(data) == 19
    assert reasons["cat/locked.png"] == "is encrypted"
    assert reasons["cat/1.png"] == "another member has the same name"
    assert reasons["dog/0.png"].startswith("is damaged")
    with pytest.raises(DataError, match="cannot be copied"):
        copy_without(path, tmp_path / "b.zip", [4], limits=Limits(faults=0.5))
    assert not (tmp_path / "b.zip").exists()


def test_bounds(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip")
    assert len(read(path)) == 20
    with pytest.raises(DataError, match="unpacks to"):
        read(path, limits=Limits(unpacked=100))
    with pytest.raises(DataError, match="holds more than 5 files"):
        read(path, limits=Limits(files=5))


def test_an_archive_without_pictures_says_what_to_do(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "text,label\n")
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-30])
    for name in ("a.zip", "b.zip"):
        with pytest.raises(DataError, match="no pictures are found"):
            read(tmp_path / name)
    with pytest.raises(DataError, match="cut short or damaged"):
        read(tmp_path / "b.zip")
