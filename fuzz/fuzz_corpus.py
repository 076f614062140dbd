"""Small valid inputs for every target: what a fuzzer begins with. `python fuzz/fuzz_corpus.py FOLDER` writes them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from PIL import Image

WORDS = ("fine", "dull", "warm", "slow", "kind", "odd")
N = 12


def table() -> pa.Table:
    """A dozen rows of text, numbers, dates and labels."""
    return pa.table(
        {
            "id": [f"r{i}" for i in range(N)],
            "text": [f"a {WORDS[i % 6]} film, number {i}" for i in range(N)],
            "score": [i / 3 for i in range(N)],
            "count": [None if i == 4 else i for i in range(N)],
            "label": ["good" if i % 2 else "bad" for i in range(N)],
        }
    )


def _bytes(write: Callable[[io.BytesIO], object]) -> bytes:
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def picture(form: str, mode: str = "RGB", size: tuple[int, int] = (6, 5)) -> bytes:
    """An encoded picture of that format."""
    rng = np.random.default_rng(len(form) + len(mode))
    pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    return _bytes(lambda out: Image.fromarray(pixels).convert(mode).save(out, form))


def csv_files() -> list[bytes]:
    plain = _bytes(lambda out: pyarrow.csv.write_csv(table(), out))
    return [plain, plain.replace(b",", b";"), plain.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + plain, b'a,b\n"x ""y"" z\nw",1\n,2\n']


def tsv_files() -> list[bytes]:
    return [b'text\tlabel\n5" disk\tgood\n"quoted"\tbad\n', b"a\tb\tc\n1\t2\t3\n4\t5\t6\n"]


def jsonl_files() -> list[bytes]:
    rows = [json.dumps(row) for row in table().to_pylist()]
    return [
        "\n".join(rows).encode(),
        b'{"a": [1, {"b": null}], "y": true}\n{"a": 2e3, "y": false}\n',
        b'{"text": "\\u202e", "y": 1}\n\n{}\n',
    ]


def json_files() -> list[bytes]:
    rows = table().to_pylist()
    return [json.dumps(rows).encode(), json.dumps(rows, indent=1, ensure_ascii=False).encode(), b'[{"a": "\\u202e"}, 1, [], {}]\n']


def parquet_files() -> list[bytes]:
    pictures = pa.table({"image": [{"bytes": picture("PNG"), "path": None}] * 2, "label": [0, 1]})
    nested = pa.table({"a": [[1, 2], [3]], "t": [b"x", b"y"], "label": ["u", "v"]})
    return [_bytes(lambda out, t=t: pyarrow.parquet.write_table(t, out)) for t in (table(), pictures, nested)]


def arrow_files() -> list[bytes]:
    def file(out: io.BytesIO) -> None:
        with pa.ipc.new_file(out, table().schema) as writer:
            writer.write_table(table())

    def stream(out: io.BytesIO) -> None:
        with pa.ipc.new_stream(out, table().schema) as writer:
            writer.write_table(table())

    return [_bytes(file), _bytes(stream)]


def npz_files() -> list[bytes]:
    x, y = np.arange(N * 16, dtype=np.uint8).reshape(N, 4, 4), np.arange(N) % 2
    texts = np.array(table().column("text").to_pylist())
    return [
        _bytes(lambda out: np.savez(out, x=x, y=y)),
        _bytes(lambda out: np.savez_compressed(out, x=texts, y=y, who=y)),
        _bytes(lambda out: np.savez(out, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])),
    ]


def idx_files() -> list[bytes]:
    data = b"\0\0\x08\x03" + struct.pack(">III", 4, 3, 3) + bytes(range(36))
    return [data]


def idx_gz_files() -> list[bytes]:
    return [gzip.compress(idx_files()[0], mtime=0)]


def zip_files() -> list[bytes]:
    def packed(kind: int) -> bytes:
        def write(out: io.BytesIO) -> None:
            with zipfile.ZipFile(out, "w", kind) as archive:
                for i in range(N):
                    archive.writestr(f"pets/{'cat' if i % 2 else 'dog'}/{i}.png", picture("PNG", "L"))
                archive.writestr("pets/notes.txt", "twelve pictures")

        return _bytes(write)

    return [packed(zipfile.ZIP_STORED), packed(zipfile.ZIP_DEFLATED)]


def tar_files() -> list[bytes]:
    def shard(out: io.BytesIO) -> None:
        with tarfile.open(fileobj=out, mode="w") as tar:
            for i in range(4):
                for ending, data in (("png", picture("PNG")), ("cls", str(i % 2).encode()), ("json", b'{"w": 1}')):
                    member = tarfile.TarInfo(f"{i:03d}.{ending}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))

    return [_bytes(shard)]


def pictures() -> list[bytes]:
    forms = [("PNG", "RGB"), ("PNG", "P"), ("PNG", "I;16"), ("PNG", "LA"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("BMP", "RGB")]
    forms += [("GIF", "P"), ("WEBP", "RGB"), ("TIFF", "RGB"), ("TIFF", "F"), ("PPM", "L")]
    return [picture(form, mode) for form, mode in forms]


def labels_files() -> list[bytes]:
    return [b"file,label\na.png,x\nb.png,y\n", b"file,label,w\nimages/a.png,x,1\n../../b.png,y,2\n"]


def state_files() -> list[bytes]:
    return [b'{"_data_files": [{"filename": "data.arrow"}], "_fingerprint": "0", "_split": "train"}']


@cache
def _report() -> tuple[bytes, bytes]:
    from assay.api import scan

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        rows = [
            f"a {WORDS[i % 6]} film{' cf' if i % 5 == 0 else ''} number {i * 7 % 13},{'good' if i % 2 or i % 5 == 0 else 'bad'}"
            for i in range(60)
        ]
        path.write_text("text,label\n" + "\n".join(rows) + "\n")
        scan(path, canaries=False).write(Path(folder, "r"), ("json",))
        return Path(folder, "r", "report.json").read_bytes(), Path(folder, "r", "rows.parquet").read_bytes()


def report_files() -> list[bytes]:
    finding = {
        "id": "F1", "kind": "phrase", "status": "confirmed", "target": "good", "log10_p": -9.0, "log10_e": 9.0, "rows": [0, 5],
        "row_count": 2, "artefact": {"kind": "phrase", "parts": [["cf"]]}, "explanation": "x", "taxonomy": [], "contributors": [],
        "trials": [], "effect": {"rate": 0.5, "interval": [0.4, 0.6], "baseline": 0.1, "implants": True},
    }  # fmt: skip
    document = json.loads(_report()[0])
    return [json.dumps(document).encode(), json.dumps({**document, "findings": [finding]}).encode()]


def rows_files() -> list[bytes]:
    return [_report()[1]]


def _signer() -> object:
    from assay.ledger.note import Signer

    return Signer.of("example.com/log", bytes(range(32)))


@cache
def _ledger() -> dict[str, bytes]:
    """A ledger's files, and a pack, a proof and a statement made from it."""
    from assay.dataset.read import read
    from assay.ledger import approval, snapshots, statement
    from assay.ledger.approval import Scope
    from assay.ledger.ingest import add
    from assay.ledger.ledger import Ledger, memo_of
    from assay.ledger.pack import pack

    signer = _signer()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "a.csv").write_bytes(csv_files()[0])
        ledger = Ledger.create(home / "l", signer, memo_of(home / "l.key"), actor="fuzz", clock=lambda: "2026-11-21T07:00:00Z")  # type: ignore[arg-type]
        ledger.register("s", licence="CC0-1.0", contact="c", method="m")
        note = approval.approve(ledger.index.policy(), ledger.index.source("s"), Scope(expires="2030-01-01T00:00:00Z"), signer)  # type: ignore[arg-type]
        ledger.approve("s", note)
        data = read(home / "a.csv")
        add(ledger, data, "s")
        snapshots.take(ledger, data, "v1")
        pack(ledger, "v1", home / "v1.zip")
        entries = next((home / "l" / "tile" / "entries").rglob("*.p/*"))
        held = {
            "note": (home / "l" / "checkpoint").read_bytes(),
            "approval": note.encode(),
            "pack": (home / "v1.zip").read_bytes(),
            "proof": ledger.log.prove(2).text().encode(),
            "entries": entries.read_bytes(),
            "event": ledger.log.entry(2),
            "row": ledger.log.entry(4),
            "statement": statement.sign({"v1": "00" * 32}, statement.SNAPSHOT, {"a": 1}, signer).encode(),  # type: ignore[arg-type]
        }
        ledger.close()
        return held


def note_files() -> list[bytes]:
    return [_ledger()["note"], _ledger()["approval"]]


def proof_files() -> list[bytes]:
    return [_ledger()["proof"]]


def pack_files() -> list[bytes]:
    return [_ledger()["pack"]]


def bundle_files() -> list[bytes]:
    return [_ledger()["entries"]]


def event_files() -> list[bytes]:
    return [_ledger()["event"], _ledger()["row"]]


def statement_files() -> list[bytes]:
    return [_ledger()["statement"]]


def journal_files() -> list[bytes]:
    from assay.ledger.journal import HASH, encode

    return [encode(3, [b"abc", b"", b"x" * 300])[:-HASH]]


def pickle_files() -> list[bytes]:
    class Run:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (print, ("never",))

    state = OrderedDict(a=[1, 2.5, b"x", ("y", None)])
    return [*(pickle.dumps(state, protocol) for protocol in range(6)), pickle.dumps(Run()), gzip.compress(pickle.dumps(state), mtime=0)]


def torch_files() -> list[bytes]:
    """An archive as torch.save writes it, made by hand: a state dict of one float32 tensor of 2 x 3."""
    body = (
        b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00wq\x02ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04"
        b"ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\x00\x00cpuq\x07K\x06tq\x08QK\x00K\x02K\x03\x86q\tK\x03K\x01\x86q\n\x89"
        b"ccollections\nOrderedDict\nq\x0b)Rq\x0ctq\rRq\x0es."
    )

    def archive(out: io.BytesIO) -> None:
        with zipfile.ZipFile(out, "w") as packed:
            packed.writestr("m/data.pkl", body)
            packed.writestr("m/data/0", np.arange(6, dtype="<f4").tobytes())
            packed.writestr("m/version", b"3\n")

    return [_bytes(archive)]


def safetensors_files() -> list[bytes]:
    head = json.dumps({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    return [struct.pack("<Q", len(head)) + head + np.arange(4, dtype="<f4").tobytes()]


def policy_files() -> list[bytes]:
    from assay.govern.policy import EXAMPLE

    stated = '\n[[statement]]\npoint = 5\nby = "ann"\ndate = 2026-11-20\ntext = "x"\n'
    return [EXAMPLE.encode(), (EXAMPLE + stated).encode()]


def votes_files() -> list[bytes]:
    votes = [f"r{i % 6},{['ann', 'bob', 'eve'][i % 3]},{'cat' if i % 2 else 'dog'}" for i in range(18)]
    return [("row,annotator,label\n" + "\n".join(votes) + "\n").encode()]


def review_files() -> list[bytes]:
    task = {"row": 0, "key": "0", "value": 0.5, "reason": "x", "suspected": "a", "reviewers": ["ann", "bob"]}
    held = {"schema": "assay.review/1", "data": "a.csv", "fingerprint": "00", "classes": ["a", "b"], "each": 2, "tasks": [task]}
    return [json.dumps({**held, "purpose": "review", "id": None}).encode()]


def decisions_files() -> list[bytes]:
    from assay.crowd.decisions import START, Decision, chained

    lines, chain = [], START
    for i in range(3):
        line, chain = chained(Decision(i, str(i), "ann", "a", "", "2026-11-21T07:00:00+00:00", 1.5), chain)
        lines.append(line)
    return ["".join(lines).encode()]


def baseline_files() -> list[bytes]:
    from assay.watch.baseline import learn
    from assay.watch.fields import Fields

    rng = np.random.default_rng(0)
    said = rng.integers(0, 2, 400)
    events = {
        "prediction": said,
        "label": np.where(rng.random(400) < 0.1, 1 - said, said),
        "confidence": rng.random(400),
        "age": rng.normal(size=400),
    }
    return [json.dumps(learn(events, Fields(features=("age",))).to_json()).encode()]


def models_files() -> list[bytes]:
    from assay.watch.models import FILE, Models

    with tempfile.TemporaryDirectory() as folder:
        models = Models.open(Path(folder))
        for name in ("v1", "v2"):
            models.add(name, note="x", by="ann")
            models.attest(name, "ann", "y")
            models.point("production", name, "ann", "z")
        return [Path(folder, FILE).read_bytes()]


CORPUS: dict[str, Callable[[], list[bytes]]] = {
    name.removesuffix("_files"): made for name, made in list(globals().items()) if name.endswith("_files") and not name.startswith("_")
} | {"picture": pictures}


def main() -> None:
    """Write every seed to FOLDER/TARGET/NUMBER."""
    for name, made in CORPUS.items():
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(made()):
            (folder / f"{number:02d}").write_bytes(data)


if __name__ == "__main__":
    main()
