"""Files that are two things at once, or go by two names: what some loader would run is told, and honest ones are left alone."""

from __future__ import annotations

import bz2
import io
import os
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from assay.model.folders import examine_folder
from assay.model.static import examine

EVIL = b"cos\nsystem\n(S'true'\ntR."


def zipped(*members: tuple[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return held.getvalue()


@pytest.mark.parametrize("name", ["N.", "tree\n", "\x08x"])
def test_a_tar_is_told_whatever_its_first_name_looks_like(name, tmp_path) -> None:
    for file in ("m.pt", "m.onnx"):
        with tarfile.open(tmp_path / file, "w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(tarfile.TarInfo(name))
            member = tarfile.TarInfo("pickle")
            member.size = len(EVIL)
            archive.addfile(member, io.BytesIO(EVIL))
        assert examine(tmp_path / file).risk != "none"


def test_an_archive_whose_directory_is_elsewhere_is_told(tmp_path) -> None:
    harmless = zipped(("m/data.pkl", pickle.dumps([1])))
    (tmp_path / "m.pt").write_bytes(harmless)
    assert examine(tmp_path / "m.pt").risk == "none"
    (tmp_path / "m.pt").write_bytes(zipped(("m/data.pkl", EVIL)) + harmless)
    assert examine(tmp_path / "m.pt").risk == "unknown code"


def test_members_are_what_their_bytes_say(tmp_path) -> None:
    held = io.BytesIO()
    np.lib.format.write_array(held, np.array([print], object), allow_pickle=True)
    for name in ("a.json", "x/"):
        (tmp_path / "m.npz").write_bytes(zipped((name, held.getvalue())))
        assert examine(tmp_path / "m.npz").risk == "dangerous", name


def test_what_stands_behind_other_bytes_is_told(tmp_path) -> None:
    (tmp_path / "m.keras").write_bytes(b"\x80\x04N.\0" + zipped(("config.json", b'{"class_name": "Lambda"}')))
    (tmp_path / "m.h5").write_bytes(b"\x80\x04N.".ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + b"Lambda")
    assert examine(tmp_path / "m.keras").risk == examine(tmp_path / "m.h5").risk == "unknown code"


def test_packed_to_one_reader_and_a_pickle_to_another(tmp_path) -> None:
    data = bz2.compress(pickle.dumps([1]))
    path = tmp_path / "m.pkl"
    path.write_bytes(data)
    assert examine(path).risk == "none"
    said = int.from_bytes(data[1:5], "little")  # "B": so many bytes are a string to a pickle
    with path.open("r+b") as file:
        file.seek(5 + said)  # nothing is written between: the file is sparse
        file.write(b"0" + EVIL)
    assert examine(path).risk == "dangerous"


@pytest.mark.parametrize("header", ["{'descr': (", "{'descr': (), 'fortran_order': False, 'shape': (1,), }\n", "{[]: 1}"])
def test_a_broken_header_is_no_fault(header, tmp_path) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    assert examine(tmp_path / "a.npy").risk == "unknown code"


def test_an_array_of_many_columns_is_data(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2, [(f"column_number_{i}", "<f8") for i in range(900)]))
    assert examine(tmp_path / "a.npy").risk == "none"


def test_every_name_of_a_file_is_looked_at(tmp_path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    np.save(folder / "ok.npy", np.zeros(3))
    (folder / "notes.txt").write_bytes(EVIL)
    assert examine_folder(folder).risk == "none"  # nobody loads a text
    os.symlink("notes.txt", folder / "model.pkl")
    assert examine_folder(folder).risk == "dangerous"
    (folder / "model.pkl").unlink()
    os.symlink(tmp_path, folder / "unet")
    assert examine_folder(folder).risk == "unknown code"


@pytest.mark.parametrize(
    "path", ["sklearn.utils._testing check_output", "numpy load", "scipy.io loadmat", "pandas.core.frame DataFrame.eval"]
)
def test_functions_of_libraries_that_reach_out_are_dangerous(path, tmp_path) -> None:
    module, name = path.split()
    (tmp_path / "a.pkl").write_bytes(f"c{module}\n{name}\n(S'x'\ntR.".encode())
    assert examine(tmp_path / "a.pkl").risk == "dangerous"


def test_types_and_forms_of_tensors_are_data(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    torch.save([torch.eye(3).to_sparse(), torch.float32, torch.bfloat16], tmp_path / "m.pt")
    assert examine(tmp_path / "m.pt").risk == "none"
