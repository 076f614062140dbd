"""Commands on models with a wrong path, a broken file, rows that do not fit: one line with a remedy, exit 2, nothing computed in vain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.cli import run
from assay.model.weights import write_weights

torch = pytest.importorskip("torch")
io = pytest.importorskip("skops.io")

from test_model_behaviour import arrays, chain, pictures  # noqa: E402
from test_model_trees import MAKERS, rows  # noqa: E402


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, half of it, half of a forest, rows, pictures of classes that the network lacks, an empty file and a folder."""
    monkeypatch.chdir(tmp_path)
    write_weights(Path("net.safetensors"), arrays(chain()))
    io.dump(MAKERS[0]().fit(*rows(planted=True)), "forest.skops")
    for name in ("net.safetensors", "forest.skops"):
        whole = Path(name).read_bytes()
        Path(f"half.{name.rpartition('.')[2]}").write_bytes(whole[: len(whole) // 2])
    x, y = rows(seed=1)
    head = [f"x{j}" for j in range(x.shape[1])] + ["label"]
    lines = [",".join(map(str, line)) for line in (head, *([*row, label] for row, label in zip(x, y, strict=True)))]
    Path("rows.csv").write_text("\n".join(lines[:300]) + "\n")
    Path("one.csv").write_text("\n".join(lines[:2]).replace(",label", "").rpartition(",")[0] + "\n")
    images, classes = pictures()
    np.savez("pictures.npz", images=images[:120], labels=classes[:120])
    np.savez("strange.npz", images=images[:120], labels=2 * classes[:120])
    np.savez("one.npz", images=images[:1])
    Path("empty.pt").touch()
    Path("folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "inspect half.safetensors",
        "inspect empty.pt",
        "inspect net.safetensors --out folder/there/x.json",
        "inspect net.safetensors --data strange.npz",
        "inspect net.safetensors --data one.npz",
        "inspect net.safetensors --twin gone.json",
        "inspect net.safetensors --twin folder",
        "inspect forest.skops --data rows.csv --twin half.skops",
        "inspect forest.skops --data rows.csv --twin folder",
        "inspect forest.skops --data rows.csv --twin gone.skops",
        "inspect forest.skops --data pictures.npz",
        "inspect forest.skops --data one.csv",
        "repair half.safetensors --way prune --out new.safetensors",
        "repair net.safetensors --data strange.npz --way tune --out new.safetensors",
        "repair net.safetensors --data pictures.npz --out folder/there/new.safetensors",
        "repair net.safetensors --data pictures.npz --artefacts gone.json --out new.safetensors",
        "repair net.safetensors --data pictures.npz --artefacts one.npz --out new.safetensors",
        "model audit gone.safetensors pictures.npz --out audit",
        "model audit net.safetensors pictures.npz --out audit --alpha 3",
    ],
)
def test_one_line_with_a_remedy(here: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    before = sorted(here.rglob("*"))
    assert run(command.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("assay: ")
    assert said.count("\n") == 1
    assert "Remedy: " in said
    assert len(said) < 400
    assert sorted(here.rglob("*")) == before


def test_a_negative_seed_is_a_wrong_request(here: Path) -> None:
    for command in ("inspect net.safetensors", "repair net.safetensors --out new.safetensors", "scan rows.csv"):
        assert run([*command.split(), "--seed", "-1"]) == 2
