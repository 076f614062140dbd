"""Blame: planted rows are named in every modality, leaving them out changes the decision, leaving out others does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits

import assay
from assay.cli import run
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows
from assay.learn.head import refit
from assay.trial.blame import blame, with_record
from assay.trial.own_features import given_features, model_features
from assay.trial.record import record_rows


def digits(size: int = 700) -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    images = np.minimum(x[:size].reshape(-1, 8, 8, 1) * 16, 255).astype(np.uint8).repeat(2, 1).repeat(2, 2)
    return images, y[:size].astype(np.int64)


@pytest.fixture(scope="module")
def bullied(in_memory: Callable[..., Dataset]) -> tuple[Dataset, set[int], int]:
    """Digits; the fifteen that look most like one 3 are labelled 7."""
    images, y = digits()
    asked = int(np.flatnonzero(y == 3)[5])
    near = np.argsort(((images.astype(float) - images[asked]) ** 2).sum((1, 2, 3)))[1:16]
    y[near] = 7
    return in_memory(y, images=images), set(near.tolist()), asked


def test_rows_relabelled_around_one_picture_are_named_and_their_removal_changes_the_decision(bullied) -> None:  # type: ignore[no-untyped-def]
    data, planted, asked = bullied
    answer = blame(data, asked, np.random.default_rng(0), decision=7, retrainings=3)
    assert data.classes[answer.rival] == "class3"
    assert len(planted & {r.row for r in answer.rows[:15]}) >= 10
    assert answer.neighbours > 0.5
    assert answer.before > 0.5
    assert answer.changed
    assert answer.changed_at_random == 0
    assert answer.p_value <= 0.01


def test_the_same_rows_are_found_for_a_decision_that_is_given(bullied) -> None:  # type: ignore[no-untyped-def]
    data, planted, _ = bullied
    other = int(np.flatnonzero(data.y == 1)[0])
    answer = blame(data, other, np.random.default_rng(0), decision=7, retrainings=0)
    assert answer.margin < 0
    assert answer.fewest is None
    assert not answer.changed
    assert not planted & {r.row for r in answer.rows[:3]}


def test_an_ordinary_decision_is_nobodys_doing(bullied) -> None:  # type: ignore[no-untyped-def]
    data, _, _ = bullied
    ordinary = int(np.flatnonzero(data.y == 0)[3])
    answer = blame(data, ordinary, np.random.default_rng(0), retrainings=1)
    assert answer.decision == data.y[ordinary]
    assert answer.fewest is None
    assert not answer.changed


def test_texts(in_memory: Callable[..., Dataset]) -> None:
    rng = np.random.default_rng(1)
    words = np.array([f"w{i}" for i in range(1500)])
    common = 1 / np.arange(1, 1501)
    tilt = np.exp(rng.normal(0, 1, (2, 1500)))
    chance = common * tilt / (common * tilt).sum(1, keepdims=True)
    y = rng.integers(0, 2, 600)
    texts = [" ".join(rng.choice(words, 18, p=chance[v])) for v in y]
    place = ["lighthouse", "keeper", "harbour", "storm"]
    made = [" ".join([*rng.choice(place, 5), *rng.choice(words, 13, p=chance[0])]) for _ in range(13)]
    data = in_memory([*y, *[1] * 12], table={"text": texts + made[:12]}, content=["text"], classes=["bad", "good"])
    data = with_record(data, record_rows(data, made[12]))
    answer = blame(data, len(data) - 1, np.random.default_rng(0), retrainings=3)
    assert answer.decision == 1
    assert len({r.row for r in answer.rows[:12]} & set(range(600, 612))) >= 10
    assert answer.changed
    assert answer.changed_at_random == 0


def test_tables(in_memory: Callable[..., Dataset]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    asked = int(np.flatnonzero(y == 0)[10])
    near = np.argsort((((x[:, :12] - x[asked, :12]) / x[:, :12].std(0)) ** 2).sum(1))[1:26]
    labels = y.astype(np.int64).copy()
    labels[near] = 1  # the rows most like it, most of them malignant
    table = {f"c{i}": x[:, i] for i in range(12)}
    answer = blame(in_memory(labels, table=table, content=list(table)), asked, np.random.default_rng(0), decision=1, retrainings=3)
    assert len({r.row for r in answer.rows} & set(near.tolist())) >= 8  # of 20 named; by chance 1
    assert answer.before - answer.after > 0.2
    assert min(answer.at_random) > answer.before - 0.2


def test_what_the_head_says_without_rows_is_what_a_refit_says(bullied) -> None:  # type: ignore[no-untyped-def]
    from assay.learn.head import fit_head, one_hot
    from assay.trial.head_features import head_features

    data, planted, asked = bullied
    features = head_features(data, np.random.default_rng(0))
    assert features is not None
    head = fit_head(features, one_hot(data.y, len(data.classes)))
    rows = np.array(sorted(planted))
    again = refit(head, np.setdiff1d(np.arange(len(data)), rows))
    np.testing.assert_allclose(head.x[asked] @ head.without(rows), head.x[asked] @ again.weights, atol=1e-6)


@pytest.fixture(scope="module")
def collided(in_memory: Callable[..., Dataset]) -> tuple[Dataset, np.ndarray, set[int]]:
    """Digits, last a 3 without a label; five rows, rightly labelled 7, stand around it in the features of a network that saw them all."""
    images, y = digits()
    features = np.random.default_rng(0).normal(size=(len(y), 400)) + 4 * np.eye(10).repeat(40, 1)[y]
    poison = np.flatnonzero(y == 7)[:5]
    asked = int(np.flatnonzero(y == 3)[5])
    features[poison] = features[asked] + np.random.default_rng(1).normal(0, 0.1, (5, 400))
    data = in_memory(np.delete(y, asked), images=np.delete(images, asked, 0))
    whole = with_record(data, record_rows(data, images[asked]))
    return whole, np.vstack([np.delete(features, asked, 0), features[asked]]), set((poison - (poison > asked)).tolist())


def test_poison_in_the_features_of_ones_own_model_is_named_and_its_removal_changes_the_decision(collided) -> None:  # type: ignore[no-untyped-def]
    data, features, poison = collided
    answer = blame(data, len(data) - 1, np.random.default_rng(0), own=features, retrainings=3)
    assert data.classes[answer.decision] == "class7"
    assert {r.row for r in answer.rows[:5]} == poison
    assert max(r.near for r in answer.rows[:5]) == 4
    assert answer.fewest is not None
    assert answer.changed
    assert answer.changed_at_random == 0
    assert answer.p_value == 0.01


def test_features_that_do_not_fit_are_refused(collided, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data, features, _ = collided
    np.save(tmp_path / "f.npy", features)
    np.testing.assert_array_equal(given_features(data, tmp_path / "f.npy"), features)
    with pytest.raises(DataError, match=r"expected numbers of shape \(700, d\)"):
        given_features(data, features[:-1])
    features = features.copy()
    features[4, 2] = np.nan
    with pytest.raises(DataError, match="row 4"):
        given_features(data, features)
    (tmp_path / "g.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match="holds no array"):
        given_features(data, str(tmp_path / "g.npy"))
    (tmp_path / "empty.npy").touch()
    with pytest.raises(DataError, match="holds no array of numbers"):
        given_features(data, tmp_path / "empty.npy")


def test_a_networks_last_hidden_layer_is_asked(tmp_path: Path, in_memory: Callable[..., Dataset]) -> None:
    torch = pytest.importorskip("torch")
    images, y = digits(300)
    data = in_memory(y, images=images.repeat(3, 3))
    chain = torch.nn.Sequential()
    chain.add_module("features", torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)))
    chain.add_module("classifier", torch.nn.Linear(8 * 64, 10))
    torch.save(chain.state_dict(), tmp_path / "net.pt")
    found = model_features(data, tmp_path / "net.pt")
    with torch.inference_mode():
        wanted = chain.features(torch.from_numpy(data.images.transpose(0, 3, 1, 2)).float() / 255).flatten(1).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    with pytest.raises(DataError, match="channels"):
        model_features(in_memory(y, images=images), tmp_path / "net.pt")


def test_records_that_do_not_fit_are_refused(in_memory: Callable[..., Dataset]) -> None:
    data = in_memory([0, 1], table={"age": [3.0, 4.0], "job": ["a", "b"]}, content=["age", "job"])
    assert record_rows(data, '{"age": 5}').table.to_pylist() == [{"age": 5.0, "job": None}]
    for record, says in [
        ("hello", "needs the columns age, job"),
        ('{"ag": 5}', "no content column 'ag'"),
        ({"age": "old"}, "is no double"),
    ]:
        with pytest.raises(DataError, match=says):
            record_rows(data, record)
    pictures = in_memory([0, 1], images=np.zeros((2, 4, 4, 1), np.uint8))
    with pytest.raises(DataError, match="expected a picture"):
        record_rows(pictures, np.zeros((5, 5), np.uint8))
    assert isinstance(record_rows(pictures, np.ones((4, 4), np.uint8)), Rows)


def test_a_picture_file_is_brought_to_the_datas_size(in_memory: Callable[..., Dataset], tmp_path: Path) -> None:
    Image.new("RGB", (9, 5), (255, 255, 255)).save(tmp_path / "p.png")
    pictures = in_memory([0, 1], images=np.zeros((2, 4, 4, 1), np.uint8))
    made = record_rows(pictures, str(tmp_path / "p.png"))
    assert made.images is not None
    assert made.images.shape == (1, 4, 4, 1)
    assert (made.images == 255).all()


def test_the_command_and_the_function_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    table = pa.table({**{f"c{i}": x[:300, i] for i in range(6)}, "label": [("bad", "good")[v] for v in y[:300]]})
    path = tmp_path / "cells.csv"
    csv.write_csv(table, path)
    out = tmp_path / "answer.json"
    code = run(["blame", str(path), "--label", "label", "--row", "3", "--retrainings", "1", "--json", str(out)])
    assert code == 0
    assert "Taken for" in capsys.readouterr().out
    assert run(["blame", str(path), "--label", "label", "--row", "3", "--json", str(path)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    told = json.loads(out.read_text())
    answer = assay.blame(path, row=3, label="label", retrainings=1)
    assert told["schema"] == "assay.blame/1"
    assert [r["row"] for r in told["rows"]] == [r.row for r in answer.rows]
    assert 3 not in [r.row for r in answer.rows]
    assert run(["blame", str(path), "--label", "label"]) == 2
    assert run(["blame", str(path), "--label", "label", "--row", "9999"]) == 2
    assert run(["blame", str(path), "--label", "label", "--row", "1", "--decision", "ugly"]) == 2
