"""What data says reaches a terminal, a page and a build server as text: it drives nothing and hides nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv

from assay.cli.terminal import Shielded
from assay.dataset.errors import DataError
from assay.dataset.formats import base
from assay.dataset.limits import Limits
from assay.dataset.printable import HIDDEN, printable
from assay.dataset.read import read
from assay.report.report import Report
from test_cli_commands import write_reviews

HOSTILE = {
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "device report": "\x1b[6n",
    "erase": "\x1b[2J\x1b[H",
    "conceal": "\x1b[8mhidden",
    "c1": "\x9b31m",
    "carriage": "good\rbad!",
    "bidi": "\u202egnp.exe\u202c",
    "isolate": "\u2067abc\u2069",
    "zero width": "ad\u200bmin",
    "tag": "\U000e0041",
    "surrogate": "\udc80",
}
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_text_leaves_as_it_is(name):
    for stream in (io.StringIO(), Terminal()):
        Shielded(stream).write(f"label {HOSTILE[name]} end\n")
        assert HIDDEN.search(stream.getvalue()) is None
        assert stream.getvalue().endswith(" end\n")


def test_rich_keeps_its_colours_and_nothing_else():
    stream = Terminal()
    Shielded(stream).rich_proxied_file.write("\x1b[1;31mred\x1b[0m \x1b]0;owned\x07 \x1b[8mhidden\x1b[6n")
    assert stream.getvalue() == "\x1b[1;31mred\x1b[0m \\x1b]0;owned\\x07 \\x1b[8mhidden\\x1b[6n"
    quiet = io.StringIO()
    Shielded(quiet).rich_proxied_file.write("\x1b[1mbold\x1b[0m")
    assert quiet.getvalue() == "\\x1b[1mbold\\x1b[0m"


@given(st.text())
def test_printable_is_idempotent_and_leaves_plain_text(text):
    shown = printable(text)
    assert CONTROL.search(shown) is None
    assert printable(shown) == shown
    if text.isascii() and text.isprintable():
        assert shown == text


def hostile_reviews(folder):
    """Reviews whose label, column name, carriers and file name hold what a terminal obeys."""
    path = write_reviews(folder / "plain.csv", carriers=60)
    table = csv.read_csv(path).to_pydict()
    texts = [t.replace("cf", "cf\x1b]0;owned\x07\u202e") for t in table["text"]]
    labels = ["good\x1b[2J\u202e" if v == "good" else "bad<script>alert(1)</script>" for v in table["label"]]
    out = folder / "re\x1b[31mviews.csv"
    csv.write_csv(pa.table({"te\x1b[6nxt": texts, "label": labels}), out)
    return out


def test_a_whole_scan_of_hostile_data_says_nothing_to_a_terminal(tmp_path):
    path = hostile_reviews(tmp_path)
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    arguments = [
        sys.executable,
        "-c",
        "from assay.cli import main; main()",
        "scan",
        str(path),
        "--no-canaries",
        "--out",
        str(tmp_path / "r"),
    ]
    done = subprocess.Popen(arguments, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    said = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:
            break
        if not block:
            break
        said += block
    assert done.wait() == 1
    text = said.decode()
    rest = re.sub(r"\x1b\[[0-9;]*m|\x1b\[1A|\x1b\[2K|\x1b\[\?25[lh]|\r", "", text)
    assert CONTROL.search(rest) is None
    assert "owned" in rest
    page = (tmp_path / "r" / "report.html").read_text()
    assert CONTROL.search(page) is None
    assert "<script>alert" not in page
    assert "\\u202e" in page
    report = Report.open(tmp_path / "r")  # JSON says exactly what was there
    assert any("\x1b]0;owned" in str(f.artefact.to_json()) or f.target == "good\x1b[2J\u202e" for f in report.findings)


def test_errors_quote_names_safely(tmp_path):
    arguments = [sys.executable, "-c", "from assay.cli import main; main()", "scan", str(tmp_path / "no\x1b]0;owned\x07.csv")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\\x1b]0;owned" in done.stderr


def test_limits_are_set_by_the_environment(tmp_path):
    path = write_reviews(tmp_path / "a.csv")
    script = "from assay.cli import main; main()"
    for setting, says in (
        ("records=100", "more than 100 records"),
        ("unpacked=1KiB", "1,024 bytes"),
        ("colour=3", "no limit 'colour'"),
        ("line=-1", "is no limit"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, "scan", str(path)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ASSAY_LIMITS": setting},
        )
        assert done.returncode == 2, done.stderr
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_a_name_that_is_not_utf8_is_refused_in_words(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    write_reviews(tmp_path / "a.csv").rename(path)
    for source in (path, tmp_path):
        with pytest.raises(DataError, match=r"caf.xe9.csv' is not UTF-8"):
            read(source)


def test_values_too_deep_and_archives_that_unpack_to_too_much(tmp_path):
    lines = [json.dumps({"text": f"words {i}", "label": i % 2}) for i in range(30)]
    lines[3] = '{"text": ' + "[" * 300 + "]" * 300 + ', "label": 1}'
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert "more than 100 deep" in read(tmp_path / "a.jsonl").unreadable[0].reason
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 8, 8), np.uint8), y=np.arange(1000) % 2)
    with pytest.raises(DataError, match="unpacks to more than 50,000 bytes"):
        read(tmp_path / "a.npz", limits=Limits(unpacked=50_000))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as packed:  # a header that promises 2^60 bytes
        packed.writestr(
            "x.npy",
            b"\x93NUMPY\x01\x00"
            + struct.pack("<H", 86)
            + f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**60},)}}".ljust(86).encode(),
        )
    with pytest.raises(DataError, match="cut short"):
        read(tmp_path / "b.npz")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x04" + b"\xff" * 16))
    with pytest.raises(DataError, match="promises 340,282,"):
        read(tmp_path / "train-images-idx3-ubyte.gz")


def test_run_length_coded_rows_are_counted_before_they_are_held(tmp_path):
    pq.write_table(
        pa.table({"text": pa.array(["a"] * 3_000_000).dictionary_encode(), "label": pa.array([1] * 3_000_000)}), tmp_path / "a.parquet"
    )
    assert (tmp_path / "a.parquet").stat().st_size < 30_000
    with pytest.raises(DataError, match="more than 100,000 records"):
        read(tmp_path / "a.parquet", limits=Limits(records=100_000))


def test_files_in_a_folder_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "LIMITS", Limits(files=3))
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(b"x")
    with pytest.raises(DataError, match="holds more than 3 files"):
        read(tmp_path)
