"""What is fuzzed: every parser of what strangers give us. A target takes bytes; whatever it raises but `ALLOWED` is a fault of ours.

Where a format is covered by a hash or a digest, the target makes it fit, so that what lies behind it is reached too.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from assay.dataset.errors import DataError
from assay.dataset.limits import MIB, Limits
from fuzz_corpus import arrow_files, picture, rows_files

ALLOWED = (DataError,)
SMALL = Limits(pixels=1_000_000, line=MIB, field=MIB, pictures=64 * MIB, records=100_000, unpacked=64 * MIB, files=1_000)
ROOM = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())

Target = Callable[[bytes], object]


def _file(name: str, data: bytes, use: Callable[[Path], object]) -> object:
    folder = Path(tempfile.mkdtemp(prefix="assay-fuzz-", dir=ROOM))
    try:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return use(path)
    finally:
        shutil.rmtree(folder)


def _reader(name: str) -> Target:
    def target(data: bytes) -> object:
        from assay.dataset.read import read

        return _file(name, data, lambda path: read(path, limits=SMALL))

    return target


def picture_target(data: bytes) -> object:
    from assay.dataset.read import read

    def use(path: Path) -> object:
        for i in range(2):
            (path.parent.parent / "b").mkdir(exist_ok=True)
            (path.parent.parent / "b" / f"{i}.png").write_bytes(picture("PNG"))
        return read(path.parent.parent, limits=SMALL)

    return _file("d/a/x.png", data, use)


def labels_target(data: bytes) -> object:
    from assay.dataset.read import read

    def use(path: Path) -> object:
        for name in ("a.png", "b.png"):
            (path.parent / name).write_bytes(picture("PNG"))
        return read(path.parent, limits=SMALL)

    return _file("d/labels.csv", data, use)


def state_target(data: bytes) -> object:
    from assay.dataset.read import read

    def use(path: Path) -> object:
        (path.parent / "data.arrow").write_bytes(arrow_files()[1])
        return read(path.parent, limits=SMALL)

    return _file("d/state.json", data, use)


def report_target(data: bytes) -> object:
    from assay.report.report import Report

    def use(path: Path) -> object:
        (path.parent / "rows.parquet").write_bytes(rows_files()[0])
        report = Report.open(path.parent)
        return report.findings, report.mask, report.exit_code()

    return _file("r/report.json", data, use)


def rows_target(data: bytes) -> object:
    from assay.report.report import Report
    from fuzz_corpus import report_files

    def use(path: Path) -> object:
        (path.parent / "report.json").write_bytes(report_files()[1])
        report = Report.open(path.parent)
        return report.findings, report.mask

    return _file("r/rows.parquet", data, use)


def note_target(data: bytes) -> object:
    from assay.ledger import checkpoint
    from assay.ledger.note import split_note

    text, _ = split_note(data)
    return checkpoint.parse(text)


def proof_target(data: bytes) -> object:
    from assay.ledger.note import Signer
    from assay.ledger.tlog_proof import parse

    return parse(data).check(b"entry", [Signer.of("example.com/log", bytes(range(32))).key])


def pack_target(data: bytes) -> object:
    from assay.ledger.note import Signer
    from assay.ledger.pack import receive

    return _file("v.zip", data, lambda path: receive(path, Signer.of("example.com/log", bytes(range(32))).key))


def bundle_target(data: bytes) -> object:
    from assay.ledger.paths import Place
    from assay.ledger.tiles import unpack

    return unpack(data, Place(None, 0, 16))


def event_target(data: bytes) -> object:
    from assay.ledger.events import decode

    return decode(data, 0)


def statement_target(data: bytes) -> object:
    from assay.ledger.note import Signer
    from assay.ledger.statement import check, payload_of

    text = data.decode("utf-8", "replace")
    payload_of(text)
    return check(text, Signer.of("example.com/log", bytes(range(32))).key)


def journal_target(data: bytes) -> object:
    from assay.ledger.journal import decode

    return decode(data + sha256(data).digest(), "journal/0")


def pickle_target(data: bytes) -> object:
    from assay.model.static import examine

    return _file("m.pkl", data, examine)


def torch_target(data: bytes) -> object:
    from assay.model.static import examine
    from assay.model.weights import read_weights

    def use(path: Path) -> object:
        examine(path)
        return read_weights(path)

    return _file("m.pt", data, use)


def safetensors_target(data: bytes) -> object:
    from assay.model.static import examine
    from assay.model.weights import read_weights

    def use(path: Path) -> object:
        examine(path)
        return read_weights(path)

    return _file("m.safetensors", data, use)


def policy_target(data: bytes) -> object:
    from assay.govern.policy import read_policy

    return _file("assay.toml", data, read_policy)


def votes_target(data: bytes) -> object:
    from assay.crowd.read import read_votes

    return _file("votes.csv", data, read_votes)


def review_target(data: bytes) -> object:
    from assay.crowd.review import agreement, open_review, outcomes

    def use(path: Path) -> object:
        review = open_review(path.parent)
        return outcomes(review), agreement(review)

    return _file("r/review.json", data, use)


def decisions_target(data: bytes) -> object:
    from assay.crowd.decisions import read_decisions

    return _file("ann.jsonl", data, read_decisions)


def baseline_target(data: bytes) -> object:
    from assay.watch.baseline import Baseline
    from assay.watch.watch import Watch

    try:  # the digest is made to fit, so that what it covers is read
        said = json.loads(data)
        rest = {name: v for name, v in said.items() if name != "digest"}
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
        data = json.dumps({**rest, "digest": sha256(text.encode()).hexdigest()}).encode()
    except (ValueError, AttributeError, RecursionError):
        pass  # then the bytes as they are
    del Baseline

    def use(path: Path) -> object:
        (path.parent / "journal").mkdir()
        with Watch.open(path.parent, read_only=True) as watch:
            return watch.status()

    return _file("w/baseline.json", data, use)


def models_target(data: bytes) -> object:
    """Every line is chained anew, so that steps that are none are reached."""
    from assay.watch.models import START, Models

    lines, head = [], START
    for line in data.split(b"\n"):
        try:
            step = json.loads(line)
            if isinstance(step, dict):
                line = json.dumps({**step, "after": head}, sort_keys=True).encode()
        except (ValueError, RecursionError):
            pass  # then the line as it is
        lines.append(line)
        head = sha256(line).hexdigest()

    def use(path: Path) -> object:
        models = Models.open(path.parent)
        return [models.before(move.alias) for move in models.moves]

    return _file("m/models.jsonl", b"\n".join(lines), use)


TARGETS: dict[str, Target] = {
    "csv": _reader("a.csv"),
    "tsv": _reader("a.tsv"),
    "jsonl": _reader("a.jsonl"),
    "json": _reader("a.json"),
    "parquet": _reader("a.parquet"),
    "arrow": _reader("a.arrow"),
    "npz": _reader("a.npz"),
    "idx": _reader("train-images-idx3-ubyte"),
    "idx_gz": _reader("train-images-idx3-ubyte.gz"),
    "tar": _reader("a.tar"),
    "zip": _reader("a.zip"),
    "picture": picture_target,
    "labels": labels_target,
    "state": state_target,
    "report": report_target,
    "rows": rows_target,
    "note": note_target,
    "proof": proof_target,
    "pack": pack_target,
    "bundle": bundle_target,
    "event": event_target,
    "statement": statement_target,
    "journal": journal_target,
    "pickle": pickle_target,
    "torch": torch_target,
    "safetensors": safetensors_target,
    "policy": policy_target,
    "votes": votes_target,
    "review": review_target,
    "decisions": decisions_target,
    "baseline": baseline_target,
    "models": models_target,
}


def attempt(name: str, data: bytes) -> None:
    """Run one target on one input; a clear error is fine, anything else is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of decoders, on damaged pictures
        try:
            TARGETS[name](data)
        except ALLOWED as error:
            text = str(error)
            if not text or "\n" in text.strip() or "Traceback" in text:
                raise AssertionError(f"not one clear line: {text!r}") from error
