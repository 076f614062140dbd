"""Errands of pictures and tables run beside each other: the same conclusion as one after another, failures told, interruptions heard."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine

from assay import desk
from assay.attack.planting import plant
from assay.dataset.data import Dataset
from assay.dataset.read import read
from assay.engine.base import Handle, using
from assay.engine.cores import Cores
from assay.engine.local import Local
from assay.finding import Conclusion
from assay.pipeline import Settings, run
from assay.trial import image_probe
from assay.trial.image_probe import PictureReader
from assay.trial.overlays import OverlayFamily
from assay.trial.patches import PatchFamily
from test_stages import reviews


@pytest.fixture(scope="module")
def digits(memory: Callable[..., Dataset]) -> Dataset:
    """600 digits with a patch on 40 of them."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)[:600].repeat(2, 1).repeat(2, 2)
    return plant(memory("image", images, data.target[:600]), "patch", carriers=40, seed=2).data


def said(conclusion: Conclusion) -> dict[str, Any]:
    """All but the seconds, and artefacts by what they say."""
    checks = tuple(replace(c, seconds=0.0) for c in conclusion.checks)
    found = [(f.artefact.to_json(), f.status, f.log_e, f.positions.tolist()) for f in conclusion.findings]
    plain = asdict(replace(conclusion, checks=checks, findings=(), screens=(), availability=None, probabilities=None, features=None))
    return {**plain, "findings": found, "score": conclusion.score.tolist()}


def test_threads_conclude_what_one_thread_does(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "workers", lambda: 1)
    alone = run(digits)
    monkeypatch.setattr(desk, "workers", lambda: 3)
    seen: list[float] = []
    beside = run(digits, progress=lambda done, total, what: seen.append(done / total))
    assert alone.verdict == "poisoned"
    assert said(beside) == said(alone)
    assert max(seen) == 1.0


def test_the_probe_of_the_scans_own_pictures_is_fitted_once(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    whole = image_probe.cross_fit
    monkeypatch.setattr(image_probe, "cross_fit", lambda images, *rest, **more: fitted.append(len(images)) or whole(images, *rest, **more))
    probe = image_probe.reader_of(digits, 0)
    first = image_probe.image_probe(digits, "fast", np.random.default_rng(0), probe)
    again = image_probe.image_probe(digits, "fast", np.random.default_rng(1), probe)
    assert first is again
    assert len(fitted) == 1
    images = digits.images.copy()
    images[0] = 255 - images[0]
    image_probe.image_probe(digits.with_content(digits.rows.with_images(images), digits.y), "fast", np.random.default_rng(0), probe)
    assert len(fitted) == 2


def test_what_a_reader_has_learnt_travels_with_it(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = image_probe.reader_of(digits, 0)
    assert reader is not None
    (first,), _, _ = image_probe.image_probe(digits, "fast", np.random.default_rng(0), reader)
    come = pickle.loads(pickle.dumps(reader))
    monkeypatch.setattr(image_probe, "cross_fit", None)  # nothing is fitted any more
    (again,), _, _ = image_probe.image_probe(digits, "fast", np.random.default_rng(1), come)
    assert np.array_equal(again.probabilities, first.probabilities)
    assert np.array_equal(again.predict(digits.images[:50], again.fold[:50]), first.predict(digits.images[:50], first.fold[:50]))


def test_workers_are_given_the_probe_that_was_fitted_once(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(Local):
        """This process, as if it were another: readers travel."""

        remote = True

        def put(self, value: Any) -> Handle[Any]:
            return super().put(pickle.loads(pickle.dumps(value)) if isinstance(value, PictureReader) else value)

    alone = run(digits, Settings(canaries=False))
    fitted: list[int] = []
    whole = image_probe.cross_fit
    monkeypatch.setattr(image_probe, "cross_fit", lambda images, *rest, **more: fitted.append(len(images)) or whole(images, *rest, **more))
    with using(Elsewhere()):
        there = run(digits, Settings(canaries=False))
    assert said(there) == said(alone)
    assert fitted == [len(digits)]


@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.full)])
def test_families_of_large_sets_are_examined_here_by_passes_that_workers_share(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data, plain = read(reviews(300)), Settings(canaries=False)
    here = run(data, plain)
    assert here.verdict == "poisoned"
    monkeypatch.setattr(desk, "WHOLE", 0)
    begun: list[str] = []
    submit = Cores.submit
    monkeypatch.setattr(Cores, "submit", lambda self, work, *rest, **how: begun.append(work.__name__) or submit(self, work, *rest, **how))
    with Cores(workers) as cores, using(cores):
        assert said(run(data, plain)) == said(here)
    assert "surprise" in begun
    assert "_examined" not in begun


def test_a_family_that_fails_beside_others_is_listed(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: OverlayFamily, *rest: object) -> None:
        raise ValueError("no such overlay")

    monkeypatch.setattr(desk, "workers", lambda: 2)
    monkeypatch.setattr(OverlayFamily, "examine", broken)
    found = run(digits, Settings(canaries=False))
    assert [(c.state, c.reason) for c in found.checks if c.name == "overlay"] == [("failed", "ValueError: no such overlay")]
    assert any(c.name == "patch" and c.state == "ran" for c in found.checks)


def test_what_was_begun_stops_when_the_scan_is_left(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[float] = []

    def left(done: float, total: float, what: str) -> None:
        heard.append(done)
        if len(heard) > 3:
            raise KeyboardInterrupt

    ended: list[str] = []
    examine = PatchFamily.examine

    def watched(self: PatchFamily, *rest: Any) -> Any:
        result = examine(self, *rest)
        ended.append("whole")
        return result

    monkeypatch.setattr(desk, "workers", lambda: 2)
    monkeypatch.setattr(PatchFamily, "examine", watched)
    with pytest.raises(KeyboardInterrupt):
        run(digits, progress=left)
    assert len(ended) < 2  # of the pictures and of the copy with canaries


def test_a_tables_families_conclude_the_same_beside_each_other(memory: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    wine = load_wine()
    rare = np.where(np.arange(len(wine.target)) % 9 == 4, 99.0, wine.data[:, 0])
    table = {"alcohol": rare, **dict(zip(wine.feature_names[1:5], wine.data.T[1:5], strict=True))}
    data = memory("table", table, np.where(rare == 99.0, 0, wine.target))
    monkeypatch.setattr(desk, "workers", lambda: 1)
    alone = run(data)
    monkeypatch.setattr(desk, "workers", lambda: 3)
    assert said(run(data)) == said(alone)
