"""Networks in `assay train`: pictures and tables, alone, guarded, partitioned and private; a run that is stopped goes on."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv
from sklearn.datasets import load_breast_cancer, load_digits

pytest.importorskip("torch")
pytest.importorskip("opacus")

from assay import cli
from assay.dataset.errors import DataError
from assay.train.config import read_config
from assay.train.run import fit_on, split, train
from assay.train.saved import Model, model_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """digits/0 .. digits/2 (pictures) and cells.csv (four columns of breast cancer)."""
    place = tmp_path_factory.mktemp("networks")
    x, y = load_digits(return_X_y=True)
    for number in np.flatnonzero(y < 3)[:360]:
        (place / "digits" / str(y[number])).mkdir(parents=True, exist_ok=True)
        picture = np.kron((x[number].reshape(8, 8) * 15.9).astype(np.uint8), np.ones((2, 2), np.uint8))
        Image.fromarray(picture).save(place / "digits" / str(y[number]) / f"{number}.png")
    cancer = load_breast_cancer()
    cells = {f"c{i}": cancer.data[:, i] for i in range(4)}
    csv.write_csv(pa.table({**cells, "outcome": np.array(["malignant", "benign"])[cancer.target]}), place / "cells.csv")
    return place


def configured(folder, name: str, data: str, defence: str, more: str = "", epochs: int = 4):
    path = folder / f"{name}.toml"
    label = "outcome" if data == "cells.csv" else "label"
    path.write_text(
        f'schema = "assay.train/1"\n[data]\npath = "{data}"\nlabel = "{label}"\n[model]\nlearner = "network"\nepochs = {epochs}\n'
        f"[defence]\n{defence}\n{more}\n"
    )
    return path


BOUNDS = "[features.bounds]\nc0 = [0, 30]\nc1 = [0, 40]\nc2 = [0, 200]\nc3 = [0, 2500]"
CASES = [
    ("digits", 'kind = "none"', "", 0.9),
    ("digits", 'kind = "guarded"\nguard = "small-loss"\nshare = 0.02\nearly = 0.02\nloss = "generalised"\ntriggered = 0.2', "", 0.85),
    ("digits", 'kind = "guarded"\nattacked = 0.3\nreach = 0.05', "", 0.85),
    ("digits", 'kind = "partitioned"\npartitions = 3', "", 0.8),
    ("cells.csv", 'kind = "guarded"\nguard = "gradient-groups"\nloss = "symmetric"', "", 0.8),
    ("cells.csv", 'kind = "private"\nepsilon = 8.0\ndelta = 1e-4', BOUNDS, 0.6),
    ("digits", 'kind = "private"\nepsilon = 50.0\ndelta = 1e-4', "", 0.3),
]


@pytest.mark.parametrize(("data", "defence", "more", "least"), CASES)
def test_a_saved_network_says_what_the_estimator_said(folder, tmp_path, data, defence, more, least) -> None:
    from assay.dataset.data import Columns
    from assay.dataset.read import read

    config = read_config(configured(folder, "same", data, defence, more))
    columns = Columns((), (config.sections["data"]["label"],))
    lesson = split(config, read(config.data, columns=columns, task="classification"), None)
    _, estimator = fit_on(config, lesson.train, lesson.features)
    model_of(estimator, lesson.features, lesson.train.classes).save(tmp_path)
    with np.load(tmp_path / "model.npz", allow_pickle=False) as held:
        assert not any(held[name].dtype.hasobject for name in held.files)
    again, x = Model.load(tmp_path), lesson.features.of(lesson.held_out.rows)
    assert (again.predict(lesson.held_out.rows) == estimator.predict(x)).all()
    if hasattr(estimator, "certify"):
        assert (again.certify(lesson.held_out.rows).radius == estimator.certify(x).radius).all()
    assert (again.predict(lesson.held_out.rows) == lesson.held_out.y).mean() > least


def test_the_record_of_a_private_network_shows_what_epsilon_buys_and_costs(folder, tmp_path, capsys) -> None:
    path = configured(folder, "private", "cells.csv", CASES[5][1], BOUNDS)
    assert cli.run(["train", str(path), "--out", str(tmp_path / "model")]) == 0
    record = json.loads((tmp_path / "model" / "record.json").read_text())
    assert record["private"]["epsilon"] <= 8.0
    assert "undefended_accuracy" in record
    assert "epsilon" in capsys.readouterr().out


def test_a_run_that_was_stopped_goes_on(folder, tmp_path) -> None:
    config = read_config(configured(folder, "stopped", "digits", 'kind = "guarded"\nloss = "symmetric"'))
    whole, place, seen = train(config), tmp_path / "run.pt", []

    def stop(done: float, total: float, what: str) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, place, stop)
    assert place.exists()
    other = read_config(configured(folder, "other", "digits", 'kind = "guarded"\nloss = "generalised"'))
    with pytest.raises(DataError, match="another run"):
        train(other, place)
    parts = train(config, place)
    assert not place.exists()
    ours, theirs = parts.model.members[0].arrays, whole.model.members[0].arrays
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_an_ensemble_that_was_stopped_goes_on(folder, tmp_path) -> None:
    config = read_config(configured(folder, "parts", "digits", CASES[3][1]))
    whole, place = train(config), tmp_path / "members"

    def stop(done: float, total: float, what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, place, stop)
    assert len(list(place.iterdir())) == 2
    parts = train(config, place)
    assert not place.exists()
    for ours, theirs in zip(parts.model.members, whole.model.members, strict=True):
        assert all(np.array_equal(ours.arrays[name], theirs.arrays[name]) for name in theirs.arrays)


def test_a_drill_on_pictures_has_twins(folder) -> None:
    from assay.train.twins import drill

    more = '[drill]\nkind = "patch"\nrate = 0.1\ntarget = "0"'
    config = read_config(configured(folder, "drill", "digits", 'kind = "guarded"\ntriggered = 0.5', more, epochs=3))
    shown = drill(config, train(config).lesson)["models"]
    assert {name for name in shown if "attack_success" in shown[name]} == {"defended", "undefended", "clean"}


@pytest.mark.parametrize(
    ("defence", "says"),
    [
        ('kind = "guarded"', "asks for nothing"),
        ('kind = "guarded"\nloss = "huber"', "loss = 'huber'"),
        ('kind = "guarded"\nshare = 0.1', "small-loss"),
        ('kind = "guarded"\nreach = 0.1', "with attacked"),
        ('kind = "guarded"\ntriggered = 1.5', "between 0 and 1"),
    ],
)
def test_a_misspelt_guard_is_an_error(folder, defence, says) -> None:
    with pytest.raises(DataError, match=says):
        read_config(configured(folder, "wrong", "digits", defence))


def test_what_does_not_go_together_is_said(folder, tmp_path) -> None:
    path = configured(folder, "linear", "digits", 'kind = "guarded"\nloss = "symmetric"')
    path.write_text(path.read_text().replace('learner = "network"\nepochs = 4', 'learner = "linear"'))
    with pytest.raises(DataError, match="is a network"):
        read_config(path)
    with pytest.raises(DataError, match="these rows hold none"):
        train(read_config(configured(folder, "drilled", "cells.csv", 'kind = "guarded"\ntriggered = 0.2')))
    with pytest.raises(DataError, match="not while trimming"):
        train(read_config(configured(folder, "trimmed", "digits", 'kind = "trimmed"\nshare = 0.1')), tmp_path / "run.pt")
