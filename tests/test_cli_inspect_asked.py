"""`assay inspect http://...` for pictures, texts and tables against a server of the test's own, and an ONNX file run here."""

from __future__ import annotations

import base64
import datetime
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from assay.cli import run
from assay.model import endpoint
from test_model_asked import RARE, WORDS, texts
from test_model_asked import asked as text_model
from test_model_pictures_asked import TARGET, net, pictures
from test_model_trees import COLUMN, MAKERS, rows

SECRET = "s3cr3t-token"


class Served:
    """A model behind an address: `answer` (inputs) -> the JSON it gives, or bytes, or (status, bytes)."""

    def __init__(self, answer):
        served = self
        self.answer, self.rows, self.seen = answer, 0, []

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
                served.rows += len(inputs)
                served.seen.append(dict(self.headers))
                said = served.answer(inputs)
                status, body = said if isinstance(said, tuple) else (200, said if isinstance(said, bytes) else json.dumps(said).encode())
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:9/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_port}/classify?key={SECRET}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def decoded(inputs):
    return np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in inputs])


@pytest.fixture(scope="module")
def clean_pictures(tmp_path_factory):
    images, y = pictures()
    chosen = np.random.default_rng(9).permutation(len(y))[:100]
    path = tmp_path_factory.mktemp("pictures") / "clean.npz"
    np.savez(path, images=images[chosen], labels=y[chosen])
    return path


@pytest.mark.parametrize("backdoor", [True, False])
def test_pictures_behind_an_address(backdoor, clean_pictures, tmp_path, capsys) -> None:
    model = net(backdoor)
    with Served(lambda inputs: {"labels": model.predict(decoded(inputs).reshape(len(inputs), -1) / 255).tolist()}) as served:
        out = tmp_path / "seen.json"
        asking = ["inspect", served.url, "--data", str(clean_pictures), "--budget", "12000", "--header", f"Authorization: Bearer {SECRET}"]
        assert run([*asking, "--out", str(out)]) == 0
    told, text = json.loads(out.read_text()), capsys.readouterr()
    assert (told["verdict"], told["p"] <= 0.01) == ("inconclusive", backdoor)  # alone nobody is accused
    assert (told["classes"], told["modality"], told["headers"]) == (10, "image", ["Authorization"])
    assert served.rows == told["queries"] <= told["budget"] == 12_000
    assert told["accuracy_on_clean_rows"] > 0.9
    assert {header["Authorization"] for header in served.seen} == {f"Bearer {SECRET}"}
    assert SECRET not in out.read_text() + text.out + text.err
    assert "not proof of a clean model" in text.out
    assert ("give --twin" in text.out) == backdoor
    if backdoor:
        assert (told["target"], told["triggers"][0]["target"]) == (None, TARGET)
        assert told["triggers"][0]["artefact"]["kind"] == "patch"


def test_texts_behind_an_address(tmp_path, capsys) -> None:
    model = text_model(("cf",))
    clean, _ = texts(5, 200)
    pv.write_csv(pa.table({"text": clean}), tmp_path / "clean.csv")
    (tmp_path / "words.txt").write_text("\n".join([*WORDS, *RARE, "cf", "mn", "tq"]))
    with Served(lambda inputs: {"scores": model(inputs).tolist()}) as served:
        asking = ["inspect", served.url, "--data", str(tmp_path / "clean.csv"), "--alpha", "0.05"]
        asking += ["--vocabulary", str(tmp_path / "words.txt")]
        assert run([*asking, "--budget", "40000", "--out", str(tmp_path / "seen.json")]) == 1
        told = json.loads((tmp_path / "seen.json").read_text())
        assert (told["triggers"][0]["target"], told["triggers"][0]["artefact"]["text"]) == (1, ["cf"])
        assert told["queries"] <= 40_000
        assert run([*asking, "--budget", "200"]) == 3
        assert run(asking) == 2
    assert "too few" in capsys.readouterr().out


def test_tables_behind_an_address(tmp_path, capsys) -> None:
    model = MAKERS[0]().fit(*rows(planted=True))
    fresh, y = rows(seed=1)
    names = [f"c{i}" for i in range(fresh.shape[1])]
    towns = [f"town {i % 7}" for i in range(len(fresh))]
    pv.write_csv(pa.table({"town": towns, **dict(zip(names, fresh.T, strict=True)), "label": y}), tmp_path / "clean.csv")

    def answer(inputs):
        assert set(inputs[0]) == {*names, "town"}
        return {"scores": model.predict_proba(np.array([[row[name] for name in names] for row in inputs])).tolist()}

    with Served(answer) as served:
        asking = ["inspect", served.url, "--data", str(tmp_path / "clean.csv"), "--budget", "20000", "--out", str(tmp_path / "seen.json")]
        assert run(asking) == 1
    told = json.loads((tmp_path / "seen.json").read_text())
    assert told["triggers"][0]["artefact"]["conditions"][0]["column"] == f"c{COLUMN}"
    assert f"c{COLUMN}" in capsys.readouterr().out


def test_tables_without_labels_accuse_nobody_and_odd_cells_go_along_as_they_came(tmp_path, capsys) -> None:
    model = MAKERS[0]().fit(*rows(planted=True))
    fresh, _ = rows(seed=1)
    names = [f"c{i}" for i in range(fresh.shape[1])]
    day = [datetime.date(2024, 1, 1) + datetime.timedelta(i % 300) for i in range(len(fresh))]
    whole = pa.array([None, *range(1, len(fresh))])
    pq.write_table(pa.table({"day": day, "whole": whole, **dict(zip(names, fresh.T, strict=True))}), tmp_path / "clean.parquet")
    got = []

    def answer(inputs):
        got.extend(inputs)
        return {"labels": model.predict(np.array([[row[name] for name in names] for row in inputs])).tolist()}

    with Served(answer) as served:
        asking = ["inspect", served.url, "--data", str(tmp_path / "clean.parquet"), "--budget", "20000"]
        assert run(asking) == 2
        assert "--classes" in capsys.readouterr().err
        assert run([*asking, "--classes", "2"]) == 0
    said = capsys.readouterr().out
    assert ("one clean model in four" in said, "1 rows with missing numbers are left out" in said) == (True, True)
    assert (got[0]["day"][:5], {type(row["whole"]) for row in got} <= {int, float, type(None)}) == ("2024-", True)


@pytest.mark.parametrize(
    ("answer", "more", "said"),
    [
        ({"labels": [1]}, ["--classes", "10"], "labels for"),
        ({"other": 1}, ["--classes", "10"], "not understood"),
        (b"<html>hello</html>", [], "does not answer in JSON"),
        ((500, b"no"), [], "answers 500"),
        ((401, b"no"), [], "--header"),
        ((302, b""), [], "redirects are not followed"),
        (lambda n: {"scores": [[0.5, 0.5]] * n}, ["--classes", "10"], "tells 2 classes apart, and 10 are expected"),
        (lambda n: {"scores": [[0.5, 0.5]] * n}, [], "have class 9, and the model tells 2"),
        (lambda n: {"labels": [12] * n}, [], "says class 12, and 10 classes are expected"),
        (lambda n: {"scores": [[float("nan")] * 10] * n}, [], "does not fit"),
    ],
)
def test_answers_that_are_none_end_with_one_line(answer, more, said, clean_pictures, capsys) -> None:
    with Served(lambda inputs: answer(len(inputs)) if callable(answer) else answer) as served:
        asking = ["inspect", served.url, "--data", str(clean_pictures), "--budget", "12000", *more]
        assert run([*asking, "--header", f"X-Key: {SECRET}"]) == 2
    text = capsys.readouterr()
    assert said in text.err
    assert SECRET not in text.out + text.err


def test_an_address_that_nobody_answers_and_headers_that_are_none(clean_pictures, capsys) -> None:
    asking = ["inspect", "http://127.0.0.1:9/", "--data", str(clean_pictures), "--budget", "12000"]
    assert run(asking) == 2
    assert "does not answer" in capsys.readouterr().err
    for bad in (SECRET, f"X-Key: {SECRET}\nX-Other: 1", f": {SECRET}"):
        assert run([*asking, "--header", bad]) == 2
        text = capsys.readouterr()
        assert "NAME: VALUE" in text.err
        assert SECRET not in text.out + text.err


def test_a_busy_address_is_asked_again(monkeypatch) -> None:
    monkeypatch.setattr(endpoint, "WAITS", (0.0, 0.0))
    answers = iter([(503, b""), (429, b""), {"labels": [1]}])
    with Served(lambda _: next(answers)) as served:
        assert endpoint.Endpoint(served.url, 2)(["a"]).tolist() == [[0, 1]]
    assert SECRET not in repr(endpoint.Endpoint("http://a/", 2, (("X-Key", SECRET),)))


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def field(number, value):
    """One field of a protocol buffer: bytes, text or a whole number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def onnx_of(model, path, side):
    """The perceptron as ONNX, written by hand: Flatten, then Gemm and Relu for each layer, Softmax at the end."""

    def node(kind, inputs, output):
        return field(1, b"".join(field(1, i) for i in inputs) + field(2, output) + field(4, kind))

    def tensor(name, array):
        dims = b"".join(field(1, d) for d in array.shape)
        return field(5, dims + field(2, 1) + field(8, name) + field(9, array.astype("<f4").tobytes()))

    def value(number, name, dims):
        shape = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in dims)
        return field(number, field(1, name) + field(2, field(1, field(1, 1) + field(2, shape))))

    graph, last = node("Flatten", ["x"], "h0"), len(model.coefs_) - 1
    for i, (w, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        graph += node("Gemm", [f"h{i}", f"w{i}", f"b{i}"], f"z{i}") + tensor(f"w{i}", w) + tensor(f"b{i}", b)
        graph += node("Softmax" if i == last else "Relu", [f"z{i}"], "y" if i == last else f"h{i + 1}")
    graph += field(2, "net") + value(11, "x", ["n", 1, side, side]) + value(12, "y", ["n", 10])
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13)))


def test_an_onnx_file_is_asked_where_it_can_be_run(clean_pictures, tmp_path, capsys) -> None:
    pytest.importorskip("onnxruntime")
    from assay.model.onnx_asked import OnnxModel

    model, (images, _) = net(True), pictures()
    onnx_of(model, tmp_path / "net.onnx", 16)
    scores = OnnxModel.of(tmp_path / "net.onnx")(images[:50])
    assert np.abs(scores - model.predict_proba(images[:50].reshape(50, -1) / 255)).max() < 1e-5
    out = tmp_path / "seen.json"
    asking = ["inspect", str(tmp_path / "net.onnx"), "--data", str(clean_pictures), "--budget", "12000"]
    for seed in range(1, 6):
        onnx_of(net(False, seed), tmp_path / f"twin{seed}.onnx", 16)
        asking += ["--twin", str(tmp_path / f"twin{seed}.onnx")]
    assert run([*asking, "--out", str(out)]) == 1
    told = json.loads(out.read_text())
    assert (told["risk"], told["asked"]["verdict"], told["asked"]["target"]) == ("none", "backdoored", TARGET)
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x08:\x02\x00\x00")
    assert run(["inspect", str(tmp_path / "broken.onnx"), "--data", str(clean_pictures)]) == 2
    assert "onnxruntime cannot load it" in capsys.readouterr().err
