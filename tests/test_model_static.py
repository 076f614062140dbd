"""Files that would run a command when loaded are reported, and nothing in them is ever run."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import pickle
import subprocess
import sys
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.opcodes import walk
from assay.model.static import examine
from assay.model.weights import read_weights


class Runs:
    """Pickles into a call of `function(*arguments)`."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def touch(path: Path) -> list[bytes]:
    """Pickles that, loaded, would make the file `path`, in the ways that attackers hide it."""
    import os
    import runpy

    command = f"touch {path}"
    argument = b"\x8c" + bytes([len(command)]) + command.encode() + b"\x85R."
    name, other = b"\x80\x04\x8c\x02os\x8c\x06system", b"\x8c\x0bcollections\x8c\x0bOrderedDict"
    by_getattr = Runs(eval, f"__import__('os').system({command!r})")
    return [
        *(pickle.dumps(Runs(os.system, command), protocol) for protocol in range(6)),
        pickle.dumps(Runs(subprocess.check_call, ["touch", str(path)])),
        pickle.dumps(by_getattr),
        pickle.dumps({"weights": np.zeros(3), "extra": [1, by_getattr]}),
        pickle.dumps(Runs(runpy.run_path, str(path))),
        f"cos\nsystem\n(S'{command}'\ntR.".encode(),
        f"(S'{command}'\nios\nsystem\n.".encode(),
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93" + argument,
        b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93" + argument,
        name + other + b"00\x93" + argument,  # a harmless name, taken off again
        name + b"(" + other + b"1\x93" + argument,
        name + other + b"\x860\x93" + argument,
        pickle.dumps(OrderedDict(a=1)) + pickle.dumps(Runs(os.system, command)),  # the second of two
    ]


OF_OBJECTS = (
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr':'object', 'fortran_order': False, 'shape': (1,), }",
    '{"descr": "|O", \n "fortran_order": False, "shape": (1,), }',
    "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,), }",
)


def array_header(told: str) -> bytes:
    """What stands before the numbers of a NumPy array."""
    return b"\x93NUMPY\x01\x00" + (len(told) + 1).to_bytes(2, "little") + told.encode() + b"\n"


def disguises(data: bytes, folder: Path, number: int) -> list[Path]:
    """The same pickle as a bare file, packed, and in archives."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("model/data.pkl", data)
        z.writestr("model/version", "3\n")
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as z:
        z.writestr("inner.pt", archive.getvalue())
    files = {
        "bare.pkl": data, "packed.joblib": gzip.compress(data), "zlib.joblib": zlib.compress(data), "bz2.joblib": bz2.compress(data),
        "zlib3.joblib": zlib.compress(data, 3), "old.lzma": lzma.compress(data, lzma.FORMAT_ALONE), "graph.onnx": data,
        "archive.pt": archive.getvalue(), "nested.zip": outer.getvalue(),
    } | {f"array{i}.npy": array_header(told) + data for i, told in enumerate(OF_OBJECTS)}  # fmt: skip
    paths = []
    for name, content in files.items():
        paths.append(folder / f"{number}-{name}")
        paths[-1].write_bytes(content)
    return paths


def test_every_malicious_sample_is_reported_and_none_is_run(tmp_path) -> None:
    canary = tmp_path / "canary"
    samples = [path for number, data in enumerate(touch(canary)) for path in disguises(data, tmp_path, number)]
    assert len(samples) > 100
    for path in samples:
        assert examine(path).risk == "dangerous", path.name
    assert not canary.exists()
    code = f"import pickle; pickle.load(open({str(tmp_path / '0-bare.pkl')!r}, 'rb'))"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert canary.exists()  # the samples are real


def test_weights_alone_are_no_risk_and_are_read_as_they_are(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2).to(torch.bfloat16))
    for name, options in (("new.pt", {}), ("old.pt", {"_use_new_zipfile_serialization": False})):
        torch.save(net.state_dict(), tmp_path / name, **options)
        assert examine(tmp_path / name).risk == "none"
    torch.save({"model": net.state_dict(), "view": torch.arange(12.0).reshape(3, 4).T[1:]}, tmp_path / "nested.pt")
    found = read_weights(tmp_path / "nested.pt")
    for name, tensor in net.state_dict().items():
        assert np.array_equal(found[f"model.{name}"], tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy())
    assert np.array_equal(found["view"], np.arange(12.0).reshape(3, 4).T[1:])
    torch.save(net, tmp_path / "whole.pt")
    assert examine(tmp_path / "whole.pt").risk in ("none", "unknown code")  # classes of torch.nn: a library's code
    with pytest.raises(DataError, match="which no weights need"):
        read_weights(tmp_path / "whole.pt")


def test_safetensors_are_read_and_a_broken_one_is_answered(tmp_path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + x.tobytes())
    assert examine(path).format == "safetensors"
    assert np.array_equal(read_weights(path)["w"], x)
    path.write_bytes(len(header).to_bytes(8, "little") + header + x.tobytes()[:-4])
    with pytest.raises(DataError, match="lies outside the file"):
        read_weights(path)


def test_a_lambda_layer_is_code(tmp_path) -> None:
    config = json.dumps({"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda", "config": {"function": "4wEA"}}]}})
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as z:
        z.writestr("config.json", config)
    assert examine(tmp_path / "m.keras").risk == "dangerous"
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + config.encode())
    assert examine(tmp_path / "m.h5").risk == "dangerous"


def test_an_unknown_class_is_unknown_code_and_rubbish_is_not_passed(tmp_path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04\x8c\x07my.code\x8c\x03Net\x93)R.")
    assert examine(tmp_path / "a.pkl").parts[0].unknown == ("my.code.Net",)
    for content in (b"\x80\x04\x8c\x07my.code", b"no model at all", b"PK\x03\x04 cut short"):
        (tmp_path / "b.pkl").write_bytes(content)
        assert examine(tmp_path / "b.pkl").risk == "unknown code"
    (tmp_path / "empty.pt").write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        examine(tmp_path / "empty.pt")


def test_really_backdoored_models_hold_no_code(real_data) -> None:
    for name in ("ibau_badnets_8.pt", "abl_grid_wrn16-1.pt", "nad_t_net_wrn16-1.pt", "ibau_trojan_wm_2.pt"):
        path = real_data(f"backdoored_models/{name}")
        assert examine(path).risk == "none"
        assert len(read_weights(path)) > 10


def test_the_walk_follows_names_through_the_memo() -> None:
    assert walk(b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93.").fetched[0].path == "os.system"


def test_what_stands_behind_a_first_pickle_is_not_passed_unread(tmp_path) -> None:
    hidden = b"I0x10\n0cos\nsystem\n(S'true'\ntR."  # the machine reads hexadecimal numbers, and who only reads opcodes does not
    assert pickle.loads(b"I0x10\n.") == 16
    (tmp_path / "a.pt").write_bytes(pickle.dumps(7) + hidden)
    assert examine(tmp_path / "a.pt").risk == "unknown code"


def test_raw_arrays_of_joblib_may_hide_what_follows(tmp_path) -> None:
    wrapper = b"\x80\x04\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81}b"
    code = b"cos\nsystem\n(S'true'\ntR."
    array = b"\x8d" + len(code).to_bytes(8, "little")  # numbers to joblib; the opcode of a long string to others
    (tmp_path / "a.joblib").write_bytes(wrapper + array + code + b".")
    assert examine(tmp_path / "a.joblib").risk == "unknown code"


class Recorder(pickle.Unpickler):
    """The real machine, which notes the names that it is asked for and fetches none."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.asked: set[str] = set()

    def find_class(self, module: str, name: str):
        self.asked.add(f"{module}.{name}")
        return OrderedDict


OPCODES = [
    b"\x8c\x02os", b"\x8c\x06system", b"\x8c\x01a", b"\x8c\x01b", b"\x93", b"0", b"1", b"(", b"2", b"\x94", b"q\x00", b"q\x01",
    b"h\x00", b"h\x01", b"\x85", b"\x86", b"t", b"l", b"]", b"a", b")", b"R", b"b", b"N", b"ca\nb\n", b"I0x10\n", b"I1\n", b".",
]  # fmt: skip


@given(st.lists(st.sampled_from(OPCODES), max_size=25))
@settings(max_examples=1500)
def test_what_the_machine_asks_for_the_walk_has_seen(opcodes) -> None:
    data = b"\x80\x04" + b"".join(opcodes) + b"."
    machine = Recorder(data)
    with contextlib.suppress(Exception):
        machine.load()
    seen = walk(data)
    assert machine.asked <= {f.path for f in seen.fetched} or (seen.broken is not None)


def test_inspect_says_so_and_exits_with_1(tmp_path, capsys) -> None:
    (tmp_path / "a.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert run(["inspect", str(tmp_path / "a.pkl"), "--out", str(tmp_path / "a.json")]) == 1
    assert "dangerous, a.pkl: os.system" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["risk"] == "dangerous"
    assert run(["inspect", str(tmp_path / "nothing.pt")]) == 2
