"""Keras files: rebuilt networks answer as Keras does; those that name code or reach beyond themselves are refused, and nothing runs."""

from __future__ import annotations

import gzip
import io
import json
import marshal
import sys
import zipfile
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")

from assay.cli import run  # noqa: E402
from assay.dataset.errors import DataError  # noqa: E402
from assay.model import keras_weights  # noqa: E402
from assay.model.keras_config import parsed, strange, wired  # noqa: E402
from assay.model.keras_names import LAYERS, REBUILT  # noqa: E402
from assay.model.keras_net import WAYS, keras_network  # noqa: E402
from assay.model.networks import as_input, predict  # noqa: E402
from assay.model.static import examine  # noqa: E402

GOLDEN = Path(__file__).parent / "golden" / "keras"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
PICTURES = np.array(EXPECTED["pictures"], np.uint8)


def golden(name, folder):
    path = folder / name
    path.write_bytes(gzip.decompress((GOLDEN / f"{name}.gz").read_bytes()))
    return path


def answers(path, name):
    with torch.inference_mode():
        logits = keras_network(path).module(as_input(PICTURES))
    return (logits.softmax(1) if name == "sequential" else logits).numpy()


def edited(path, config=None, weights=None, out="edited.keras"):
    """The archive with its configuration, or its HDF5 file, changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if config is not None:
        told = json.loads(parts["config.json"])
        config(told)
        parts["config.json"] = json.dumps(told).encode()
    if weights is not None:
        memory = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(memory, "r+") as file:
            weights(file)
        parts["model.weights.h5"] = memory.getvalue()
    made = path.with_name(out)
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return made


@pytest.mark.parametrize("name", ["sequential", "functional", "branched"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_networks_answer_as_keras_does(name, ending, tmp_path) -> None:
    path = golden(f"{name}.{ending}", tmp_path)
    assert examine(path).risk == "none"
    assert np.abs(answers(path, name) - np.array(EXPECTED[name])).max() < 1e-5


def test_what_keras_2_wrote_is_read_alike(tmp_path) -> None:
    for name in ("sequential", "functional", "branched"):
        path = golden(f"{name}.h5", tmp_path)
        with h5py.File(path, "r+") as file:
            told = json.loads(file.attrs["model_config"])
            layers = told["config"]["layers"]
            for entry in layers:
                entry.pop("module", None)
                if entry["class_name"] == "InputLayer":
                    entry["config"]["batch_input_shape"] = entry["config"].pop("batch_shape")
                if entry.get("inbound_nodes"):
                    given = entry["inbound_nodes"][0]["args"][0]
                    tensors = given if isinstance(given, list) else [given]
                    entry["inbound_nodes"] = [[[*tensor["config"]["keras_history"], {}] for tensor in tensors]]
            if name != "sequential":
                told["class_name"] = "Model"
                told["config"]["output_layers"] = [told["config"]["output_layers"]]
            file.attrs["model_config"] = json.dumps(told)
        assert examine(path).risk == "none"
        assert np.abs(answers(path, name) - np.array(EXPECTED[name])).max() < 1e-5


def digits_net(path):
    """The chain of test_model_behaviour as a Keras archive: written here from torch's weights, so that the layouts are told twice."""
    from test_model_behaviour import trained

    net = trained(True)
    layers, tensors = [{"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, 16, 16, 1]}}], {}

    def add(kind, name, given, arrays=()):
        layers.append({"class_name": kind, "config": {"name": name, **given}})
        tensors[name] = [np.asarray(a) for a in arrays]

    for i, part in enumerate(net.features):
        kind = type(part).__name__
        if kind == "Conv2d":
            given = {"filters": part.out_channels, "kernel_size": [3, 3], "padding": "same"}
            add("Conv2D", f"conv{i}", given, (part.weight.detach().numpy().transpose(2, 3, 1, 0), part.bias.detach()))
        elif kind == "BatchNorm2d":
            arrays = (part.weight.detach(), part.bias.detach(), part.running_mean, part.running_var)
            add("BatchNormalization", f"norm{i}", {"epsilon": part.eps}, arrays)
        else:
            add("ReLU" if kind == "ReLU" else "MaxPooling2D", f"layer{i}", {} if kind == "ReLU" else {"pool_size": [2, 2]})
    add("Flatten", "flatten", {})
    wide = net.classifier.weight.detach().numpy().reshape(10, 16, 4, 4).transpose(0, 2, 3, 1).reshape(10, -1)
    add("Dense", "dense", {"units": 10, "activation": "softmax"}, (wide.T, net.classifier.bias.detach()))
    memory, count = io.BytesIO(), {}
    with h5py.File(memory, "w") as file:
        for entry in layers[1:]:
            kind = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "Dense": "dense"}.get(entry["class_name"])
            if kind is None:
                continue
            number = count[kind] = count.get(kind, -1) + 1
            for place, array in enumerate(tensors[entry["config"]["name"]]):
                file[f"layers/{kind}{f'_{number}' if number else ''}/vars/{place}"] = array
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"name": "net", "layers": layers}}))
        archive.writestr("model.weights.h5", memory.getvalue())
    return net


def test_a_backdoor_in_a_keras_file_is_found(tmp_path, capsys) -> None:
    from test_model_behaviour import TARGET, pictures

    net = digits_net(tmp_path / "net.keras")
    images, y = pictures()
    with torch.inference_mode():
        own = net(as_input(images[:200])).argmax(1).numpy()
    assert np.array_equal(predict(keras_network(tmp_path / "net.keras"), images[:200]), own)
    np.savez(tmp_path / "clean.npz", x=images[:96], y=y[:96])
    out = tmp_path / "seen.json"
    asking = ["inspect", str(tmp_path / "net.keras"), "--data", str(tmp_path / "clean.npz"), "--alpha", "0.05", "--out", str(out)]
    assert run(asking) == 1
    told = json.loads(out.read_text())
    assert (told["format"], told["risk"]) == ("Keras archive", "none")
    assert (told["behaviour"]["verdict"], told["behaviour"]["target"]) == ("backdoored", TARGET)
    assert "Keras chain" in capsys.readouterr().out


def lambda_layer(told):
    code = b64encode(marshal.dumps(compile("open('canary', 'w')", "x", "exec"))).decode()
    inner = {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "odd", "function": inner}, "registered_name": None}
    told["config"]["layers"].insert(2, layer)


def changed(key, value, at=2):
    return lambda told: told["config"]["layers"][at].update({key: value})


SYSTEM = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
FETCHING = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}


def activated(function):
    return lambda told: told["config"]["layers"][2]["config"].update(activation=function)


CODE = [
    (lambda_layer, "dangerous", "Keras Lambda layer"),
    (changed("module", "canary_module"), "unknown code", "canary_module.Conv2D"),
    (changed("registered_name", "Mine>Conv2D"), "unknown code", "Mine>Conv2D"),
    (changed("class_name", "Stranger"), "unknown code", "class Stranger"),
    (activated(SYSTEM), "dangerous", "os.system"),
    (activated({**SYSTEM, "module": "builtins"}), "unknown code", "function system"),
    (lambda told: told.update(compile_config={"loss": FETCHING}), "unknown code", "keras.utils.get_file"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "risk", "name"), CODE)
def test_code_is_named_and_not_run(change, risk, name, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "canary_module.py").write_text("open('canary', 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    path = edited(golden("sequential.keras", tmp_path), config=change)
    assert examine(path).risk == risk
    assert run(["inspect", str(path)]) == 1
    assert name in capsys.readouterr().out
    assert not (tmp_path / "canary").exists()
    assert "canary_module" not in sys.modules
    __import__("canary_module")
    assert (tmp_path / "canary").exists()
    sys.modules.pop("canary_module")


def truncated(path):
    data = path.read_bytes()
    made = path.with_name(f"short-{path.name}")
    made.write_bytes(data[: len(data) * 2 // 3])
    return made


def billion(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", (10**9, 6), "<f4", fillvalue=1.0)


def packed_billion(file):
    del file["layers/dense/vars/0"]
    made = file["layers/dense/vars"].create_dataset("0", (10**9, 6), "<f4", chunks=(10**6, 6), compression="gzip")
    made[:10] = 1


def in_another_file(file):
    del file["layers/dense/vars/1"]
    file["layers/dense/vars"].create_dataset("1", (6,), "<f4", external=[("/etc/hostname", 0, 24)])


def virtual(file):
    del file["layers/dense/vars/1"]
    layout = h5py.VirtualLayout((6,), "<f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "secret", (6,))
    file["layers/dense/vars"].create_virtual_dataset("1", layout)


def circle(file):
    file["layers/dense/again"] = file["layers"]


def replaced(value, place="layers/dense/vars/1"):
    def change(file):
        del file[place]
        file[place] = value

    return change


def linked(link):
    return replaced(link, "layers/dense/vars/0")


def renamed(file):
    file["layers/dense/vars"].attrs["name"] = "another"


def one_more(file):
    file["layers/dense_1/vars/0"] = np.zeros(3, np.float32)


REACHING = [
    (linked(h5py.ExternalLink("/etc/other.h5", "/secret")), "a link to another file"),
    (linked(h5py.SoftLink("/layers/dense/vars/1")), "a soft link"),
    (in_another_file, "lies in another file"),
    (virtual, "lies in another file"),
    (circle, "deeper than"),
    (billion, "says 24,000,000,000 bytes"),
    (packed_billion, "says 24,000,000,000 bytes"),
    (replaced(np.zeros(7, np.float32)), "do not fit its configuration"),
    (replaced(np.array([b"a"] * 6)), "numbers are read"),
    (replaced(np.full(6, np.nan, np.float32)), "infinite or no numbers"),
    (renamed, "the weights are of 'another'"),
    (one_more, "belongs to no layer"),
]


@pytest.mark.parametrize(("change", "said"), REACHING)
def test_weights_that_reach_beyond_the_file_or_do_not_fit_are_refused(change, said, tmp_path) -> None:
    path = edited(golden("sequential.keras", tmp_path), weights=change)
    with pytest.raises(DataError) as error:
        keras_network(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    if "another file" in said:
        assert examine(path).risk == "unknown code"


@pytest.mark.parametrize("name", ["sequential.keras", "functional.h5"])
def test_half_a_file_is_refused(name, tmp_path, capsys) -> None:
    path = truncated(golden(name, tmp_path))
    assert examine(path).risk == "unknown code"
    assert run(["inspect", str(path)]) == 1
    with pytest.raises(DataError, match="cannot be read"):
        keras_network(path)


ODD = [
    (changed("class_name", "SeparableConv2D"), "which is not among the layers that are rebuilt"),
    (lambda told: told["config"]["layers"][2]["config"].update(filters=10**12), "filters = 1000000000000"),
    (lambda told: told["config"]["layers"][2]["config"].update(kernel_size=[3, True]), "kernel_size"),
    (lambda told: told["config"]["layers"][2]["config"].update(padding="causal"), "padding"),
    (lambda told: told["config"]["layers"][2]["config"].update(activation="hard_sigmoid"), "activation 'hard_sigmoid'"),
    (lambda told: told["config"]["layers"][0]["config"].update(batch_shape=[None, 10**6, 10**6, 3]), "at most 1024 pixels"),
    (lambda told: told["config"]["layers"][0]["config"].update(batch_shape=[None, None, None, 3]), "a fixed height"),
    (lambda told: told["config"]["layers"].pop(0), "a fixed height"),
    (lambda told: told["config"]["layers"].append(told["config"]["layers"][1]), "one name"),
    (lambda told: told.update(class_name="Functional"), "used 0 times"),
]


@pytest.mark.parametrize(("change", "said"), ODD)
def test_layers_that_are_not_understood_are_named(change, said, tmp_path) -> None:
    with pytest.raises(DataError, match=said):
        keras_network(edited(golden("sequential.keras", tmp_path), config=change))


def test_every_layer_that_is_let_through_is_rebuilt() -> None:
    assert set(WAYS) == REBUILT
    assert REBUILT <= LAYERS


def fed(told, name):
    """What feeds a layer of the branched network, as a list that may be changed."""
    return named(told, name)["inbound_nodes"][0]["args"][0]


def named(told, name):
    return next(entry for entry in told["config"]["layers"] if entry["config"]["name"].startswith(name))


def refed(told, name, by):
    fed(told, name)["config"]["keras_history"][0] = by


WIRED = [
    (lambda told: refed(told, "inner", "late"), "that it feeds itself"),
    (lambda told: refed(told, "inner", "nowhere"), "do not all lead|not there"),
    (lambda told: refed(told, "dense", "max"), "do not all lead"),
    (lambda told: named(told, "stem").update(inbound_nodes=2 * named(told, "stem")["inbound_nodes"]), "is used 2 times"),
    (lambda told: fed(told, "add").pop(), r"\(Add\) is fed by 1 layers"),
    (lambda told: named(told, "concatenate")["config"].update(axis=2), "axis = 2"),
    (lambda told: named(told, "zero_padding2d")["config"].update(padding=[[1, -1], [0, 2]]), "padding"),
    (lambda told: refed(told, "inner", "zero_padding2d"), "Add of shapes|do not fit"),
    (lambda told: told["config"].update(output_layers=[["dense", 0, 0], ["side", 0, 0]]), "do not all lead"),
]


@pytest.mark.parametrize(("change", "said"), WIRED)
def test_layers_that_do_not_lead_from_one_input_to_one_output_are_refused(change, said, tmp_path) -> None:
    with pytest.raises(DataError, match=said):
        keras_network(edited(golden("branched.keras", tmp_path), config=change))


def test_layers_of_a_file_need_not_stand_in_order(tmp_path) -> None:
    with zipfile.ZipFile(golden("branched.keras", tmp_path)) as archive:
        told = json.loads(archive.read("config.json"))
    told["config"]["layers"].reverse()
    layers = wired(told)
    seen = set()
    for layer in layers:
        assert seen.issuperset(layer.before)
        seen.add(layer.name)
    assert layers[-1].kind == "Dense"


def test_without_h5py_the_remedy_is_said(tmp_path, monkeypatch) -> None:
    path = golden("functional.h5", tmp_path)
    monkeypatch.setattr(keras_weights.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"pip install 'assay\[keras\]'"):
        keras_network(path)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_damaged_files_are_told_or_refused_and_never_crash(tmp_path_factory, seed) -> None:
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("damaged")
    path = golden(["sequential.keras", "functional.h5"][seed % 2], folder)
    data = bytearray(path.read_bytes())
    for place in rng.integers(0, len(data), rng.integers(1, 30)):
        data[place] = rng.integers(256)
    path.write_bytes(data)
    examine(path)
    with suppress(DataError):
        keras_network(path)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.sampled_from(["class_name", "config", "layers", "name", "module", "inbound_nodes"]), v),
    )
)
def test_any_json_is_told_or_refused(value) -> None:
    strange(value)
    with suppress(DataError):
        wired(parsed(json.dumps(value)))
