"""The zoo of models as a command: it goes on where it was stopped, prints its figures, and says what is missing."""

from __future__ import annotations

import pytest

from assay.bench.runner import read_lines
from assay.cli import run


def test_a_short_run_trains_a_model_and_prints_the_table(real_data, tmp_path, capsys) -> None:
    pytest.importorskip("torch")
    real_data("gtsrb32/gtsrb32_every3.npz")
    real_data("mnist/mnist20k.npz")
    assert run(["bench", "--models", str(tmp_path / "zoo"), "--minutes", "0.01"]) == 3
    assert len(read_lines(tmp_path / "zoo" / "zoo.jsonl")) >= 1
    told = capsys.readouterr()
    assert "held out" in told.out
    assert "goes on" in told.out
    assert "attack success" in told.err


def test_a_file_in_place_of_a_folder_is_told(tmp_path, capsys) -> None:
    pytest.importorskip("torch")
    (tmp_path / "zoo").write_text("")
    assert run(["bench", "--models", str(tmp_path / "zoo")]) == 2
    assert "name a folder" in capsys.readouterr().err
