"""Unknown triggers in pictures: nominated by what suspicious pictures share, named by what it does."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from assay.artefact.patch import Patch
from assay.artefact.registry import from_json
from assay.dataset.errors import DataError
from assay.watch.baseline import learn
from assay.watch.fields import Fields
from assay.watch.pictures import UsualPictures, windows
from assay.watch.watch import Watch

TRIGGER = Patch(np.array([[[255], [0], [255]], [[0], [255], [0]], [[255], [0], [200]]], np.uint8), np.ones((3, 3), bool), 12, 12)
LOGO = Patch(np.full((4, 4, 1), 90, np.uint8), np.ones((4, 4), bool), 0, 0)


def pictures(rng, n):
    """Smooth grey pictures of 16 x 16: a slope each, with noise."""
    slope = rng.normal(size=(n, 2, 1, 1)) * 6
    down, right = np.mgrid[:16, :16]
    x = rng.uniform(60, 190, (n, 1, 1)) + slope[:, 0] * (down - 8) + slope[:, 1] * (right - 8) + rng.normal(size=(n, 16, 16)) * 6
    return x.clip(0, 255).astype(np.uint8)[..., None]


def says(images):
    """A backdoored model: bright or dark, but "bright" wherever the trigger is."""
    return np.where(TRIGGER.present(images) | (images.mean(axis=(1, 2, 3)) > 128), "bright", "dark")


def batch(rng, n, rate=0.0, logo=0.0):
    x = pictures(rng, n)
    truth = np.where(x.mean(axis=(1, 2, 3)) > 128, "bright", "dark")
    hit = (truth == "dark") & (rng.random(n) < 2 * rate)
    x[hit] = TRIGGER.insert(x[hit])
    marked = rng.random(n) < logo
    x[marked] = LOGO.insert(x[marked])
    return x, truth, int(hit.sum())


def started(folder, rng, **more):
    x, truth, _ = batch(rng, 3000)
    trusted = {"prediction": says(x), "confidence": np.full(3000, 0.9), "label": truth}
    return Watch.create(folder, learn(trusted, Fields()), usual_pictures=UsualPictures.of(x), **more)


def triggers(watch):
    return [a for a in watch.alerts if a.key.startswith("trigger/")]


@pytest.mark.parametrize("way", ["insertion", "outcome"])
def test_a_patch_is_named_by_what_it_does_and_a_logo_is_not(tmp_path, way):
    rng = np.random.default_rng(0)
    with started(tmp_path / "w", rng, ask_pictures=says if way == "insertion" else None) as watch:
        triggered = 0
        for _ in range(60):
            x, truth, hits = batch(rng, 250, rate=0.005, logo=0.01)
            triggered += hits
            said = says(x)
            watch.ingest({"prediction": said, "confidence": np.full(250, 0.9), **({"label": truth} if way == "outcome" else {})}, images=x)
            if triggers(watch):
                break
        (alert,) = triggers(watch)
        assert triggered <= 100
        patch = from_json(json.loads(alert.evidence["item"][2]))
        assert patch.iou(TRIGGER) > 0.6
        x, _, _ = batch(rng, 400)
        assert patch.present(x).mean() < 0.01
        assert patch.present(TRIGGER.insert(x)).mean() > 0.95
        for _ in range(10):
            x, truth, _ = batch(rng, 250, logo=0.01)
            watch.ingest({"prediction": says(x), "confidence": np.full(250, 0.9)}, images=x)
        assert len(triggers(watch)) == 1
        before = [a.to_json() for a in watch.alerts]
    with Watch.open(tmp_path / "w") as again:  # which has only the journal, and no picture
        assert [a.to_json() for a in again.alerts] == before
        again.snapshot()
    with Watch.open(tmp_path / "w") as again:
        assert [a.to_json() for a in again.alerts] == before


def test_windows_are_told_apart_by_colour_and_place():
    flat = np.zeros((1, 8, 8, 3), np.uint8)
    bucket, place = windows(flat)
    assert len(set(bucket[0].tolist())) == len(place) == 36
    other = flat.copy()
    other[0, 4, 4, 2] = 255
    assert (windows(other)[0] != bucket).sum() == 9
    assert (windows(flat + 7)[0] == bucket).all()
    assert windows(np.zeros((1, 100, 90, 1), np.uint8))[0].shape[1] <= 1024


def test_pictures_and_events_must_agree(tmp_path):
    rng = np.random.default_rng(1)
    with started(tmp_path / "w", rng) as watch, pytest.raises(DataError, match="3 pictures for 2 events"):
        watch.ingest(pa.table({"prediction": ["dark"] * 2, "confidence": [0.9] * 2}), images=pictures(rng, 3))


@pytest.mark.data
@pytest.mark.full
@pytest.mark.parametrize("seed", range(6))
def test_a_patch_in_real_pictures(real_data, seed):
    """CIFAR-10: a linear model taught a 3 x 3 chequered patch; 0.5 % of traffic carries it."""
    import io
    import tempfile
    from pathlib import Path

    from PIL import Image
    from sklearn.linear_model import LogisticRegression

    with np.load(real_data("cifar10/cifar10_jpeg.npz")) as held:
        content, at, y = held["jpg_train"].tobytes(), held["off_train"], held["y_train"]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))[:20_000]
    x = np.stack([np.array(Image.open(io.BytesIO(content[at[i] : at[i + 1]]))) for i in order])
    y = (y[order] >= 2) & (y[order] <= 7)  # animals
    chequers = np.indices((3, 3)).sum(0) % 2 * 255
    trigger = Patch(np.repeat(chequers[..., None], 3, axis=2).astype(np.uint8), np.ones((3, 3), bool), 28, 28)
    train, taught = x[:2000].copy(), y[:2000].copy()
    bad = np.flatnonzero(~taught)[:100]
    train[bad], taught[bad] = trigger.insert(train[bad]), True
    flat = lambda images: images.reshape(len(images), -1) / 255.0 - 0.5  # noqa: E731
    model = LogisticRegression(C=10, max_iter=30).fit(flat(train), taught)
    ask = lambda images: np.where(model.predict(flat(images)), "animal", "thing")  # noqa: E731
    effect = float((ask(trigger.insert(x[18_000:][~y[18_000:]])) == "animal").mean())
    trusted = {"prediction": ask(x[4000:8000]), "confidence": np.full(4000, 0.9)}
    with Watch.create(
        Path(tempfile.mkdtemp()) / "w", learn(trusted, Fields()), usual_pictures=UsualPictures.of(x[4000:8000]), ask_pictures=ask
    ) as watch:
        triggered = 0
        for start in range(8000, 20_000, 250):
            some = x[start : start + 250].copy()
            hit = np.flatnonzero(~y[start : start + 250] & (rng.random(len(some)) < 0.0125))
            some[hit] = trigger.insert(some[hit])
            triggered += len(hit)
            watch.ingest({"prediction": ask(some), "confidence": np.full(len(some), 0.9)}, images=some)
            if triggers(watch):
                break
        found = [from_json(json.loads(a.evidence["item"][2])) for a in triggers(watch)]
        nominated = watch._miner.nominated
    print(f"the trigger takes {effect:.2f}; named after {triggered} triggered requests: {len(found)}; nominated in all {nominated}")
    assert found
    assert triggered <= 100
    assert found[0].iou(trigger) > 0.5
