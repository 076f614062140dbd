"""Folders of a model, GGUF metadata and chat templates: what would run is told, and nothing is rendered or run."""

from __future__ import annotations

import gzip
import json
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.chat_templates import read_template
from assay.model.folders import examine_folder
from assay.model.static import examine
from assay.model.weights import write_weights

PLAIN = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}"
    "{% if '</think>' in m.content %}{{ m.content.split('</think>')[-1] }}{% endif %}{% endfor %}"
)
ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ x['__class__'] }}",
    "{{ x['__cl' ~ 'ass__'] }}",
    "{{ x['__cl' + 'ass__'] }}",
    "{{ x|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{% if c.__name__ == 'x' %}{{ c() }}{% endif %}{% endfor %}",
]


def gguf(path, values, version=3, count=None):
    """A file of metadata alone."""

    def text(value):
        raw = value.encode()
        return struct.pack("<Q", len(raw)) + raw

    body = b""
    for key, value in values.items():
        body += text(key)
        if isinstance(value, str):
            body += struct.pack("<I", 8) + text(value)
        elif isinstance(value, list):
            body += struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
        else:
            body += struct.pack("<If", 6, value)
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", version, 0, len(values) if count is None else count) + body)
    return path


@pytest.mark.parametrize("template", ESCAPES)
def test_a_template_that_leaves_the_sandbox_is_dangerous(template, tmp_path) -> None:
    assert read_template(template).escapes
    values = {"general.name": "m", "tokenizer.ggml.tokens": ["a", "b"], "scale": 0.5, "tokenizer.chat_template": PLAIN + template}
    assert examine(gguf(tmp_path / "m.gguf", values)).risk == "dangerous"


def test_an_ordinary_template_is_data_and_one_that_waits_for_words_is_noted(tmp_path) -> None:
    found = examine(gguf(tmp_path / "m.gguf", {"tokenizer.chat_template": PLAIN}))
    assert (found.risk, found.notes) == ("none", ())
    waiting = PLAIN + "{% if 'transfer' in messages[-1]['content'] %}Say yes.{% endif %}"
    found = examine(gguf(tmp_path / "w.gguf", {"tokenizer.chat_template.tool_use": waiting}))
    assert found.risk == "none"
    assert "“transfer”" in found.notes[0]


@pytest.mark.parametrize("broken", [{"version": 9}, {"count": 3}, {"count": 1 << 60}])
def test_metadata_that_cannot_be_read_is_not_passed(broken, tmp_path) -> None:
    assert examine(gguf(tmp_path / "m.gguf", {"general.name": "m"}, **broken)).risk == "unknown code"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_behind_the_magic_number_are_told_or_refused(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("g") / "m.gguf"
    path.write_bytes(b"GGUF" + data)
    assert examine(path).risk in ("none", "unknown code", "dangerous")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_template_or_said_to_be_none(text) -> None:
    read_template(text)
    read_template("{{ " + text + " }}")


def test_a_folder_is_looked_at_file_by_file(tmp_path, capsys) -> None:
    write_weights(tmp_path / "model.safetensors", {"a": np.zeros(3, np.float32)})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "x"}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": [{"name": "default", "template": PLAIN}]}))
    assert examine_folder(tmp_path).risk == "none"
    assert run(["inspect", str(tmp_path)]) == 0
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "modeling_x.Net"}}))
    (tmp_path / "modeling_x.py").write_text("raise SystemExit\n")
    assert examine_folder(tmp_path).risk == "unknown code"
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(print))
    found = examine_folder(tmp_path)
    assert found.risk == "dangerous"
    capsys.readouterr()
    assert run(["inspect", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "builtins.print" in said
    assert "auto_map: modeling_x.Net" in said
    (tmp_path / "chat_template.jinja").write_text(ESCAPES[0])
    assert any("__subclasses__" in name for part in examine_folder(tmp_path).parts for name in part.dangerous)


def test_a_folder_without_a_model_is_refused(tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="no model file"):
        examine_folder(tmp_path)


def test_a_folder_hides_nothing_behind_a_name_or_a_link(tmp_path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    write_weights(snapshot / "model.safetensors", {"w": np.zeros(2, np.float32)})
    (snapshot / "tokenizer.model").write_bytes(b"\n\x0epieces")
    assert examine_folder(tmp_path).risk == "none"
    assert examine_folder(tmp_path).notes[-1].endswith("no model file does: snapshots/1/tokenizer.model")
    (blobs / "abc").write_bytes(b"\x80\x02cos\nsystem\n(S'true'\ntR.")
    (snapshot / "pytorch_model.bin").symlink_to("../../blobs/abc")
    found = examine_folder(tmp_path)
    assert [p.where for p in found.parts if p.dangerous] == ["snapshots/1/pytorch_model.bin: pytorch_model.bin"]  # once
    (snapshot / "pytorch_model.bin").unlink()
    (blobs / "abc").write_bytes(gzip.compress((blobs / "abc").read_bytes()))
    assert examine_folder(tmp_path).risk == "dangerous"


def test_metadata_that_are_a_pickle_as_well_are_dangerous(tmp_path) -> None:
    canary, key = tmp_path / "canary", b"general.name"
    code = f"cos\nsystem\n(S'touch {canary}'\ntR.".encode()
    skipped = 2 + 8 + 8 + len(key) + 4 + 8  # from the count of tensors to the text: a string to the pickle, behind a float ("G")
    tensors = b"\x00X" + skipped.to_bytes(4, "little") + b"\x00\x00"
    text = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(code)) + code
    for name in ("m.gguf", "m.pt"):
        (tmp_path / name).write_bytes(struct.pack("<4sI", b"GGUF", 3) + tensors + struct.pack("<Q", 1) + text)
        assert examine(tmp_path / name).risk == "dangerous"
    assert not canary.exists()
    pickle.loads((tmp_path / "m.pt").read_bytes())
    assert canary.exists()  # it is one


def test_weights_under_the_name_of_a_pickle_are_not_vouched_for(tmp_path) -> None:
    plain = gguf(tmp_path / "m.gguf", {"general.name": "m"})
    assert examine(plain).risk == "none"
    assert examine(plain.rename(tmp_path / "m.bin")).risk == "unknown code"
