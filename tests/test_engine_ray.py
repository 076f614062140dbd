"""On a real Ray cluster of several nodes: the same findings, on one worker or four, and with a node killed under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine_work as work
import test_dataset_shards as sharded
import test_states_pictures as pictures
import test_states_screens as screens
import test_states_texts as phrases
from assay import desk
from assay.api import scan
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import copy_without
from assay.engine import cluster as engine_cluster
from assay.engine.base import NoEngine, spans, using
from assay.engine.cluster import Cluster
from assay.engine.local import LOCAL
from assay.ledger import content, snapshots
from assay.mine import overlay_blocks
from assay.screen import hubs as hubs_module
from assay.screen import row_blocks
from assay.trial import text_court
from test_stages import conclusions, reviews

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'assay[ray]'")
cluster_utils = pytest.importorskip("ray.cluster_utils")

ray.cloudpickle.register_pickle_by_value(work)  # the nodes do not have the tests

STORE = 100_000_000  # bytes of each node's object store


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of one node with one processor; tests add others."""
    cluster = patiently(
        lambda: cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
        )
    )
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def patiently(start: Callable[[], Any]) -> Any:
    """What Ray starts; its processes have 30 seconds for it, which a busy machine may not give them at once."""
    for _ in range(3):
        try:
            return start()
        except Exception as error:
            if engine_cluster.SLOW_START not in str(error):
                raise
    return start()


def add(nodes: Any, until: int) -> None:
    while len(nodes.list_all_nodes()) < until:
        patiently(lambda: nodes.add_node(num_cpus=1, object_store_memory=STORE))
    nodes.wait_for_nodes()


@pytest.mark.parametrize("whole", [desk.WHOLE, 0])  # rows of a set that one worker examines; of larger ones all share the passes
def test_findings_are_the_same_on_one_two_and_four_nodes(nodes: Any, whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "WHOLE", whole)
    here = scan(reviews(300), canaries=False)
    assert here.verdict == "poisoned"
    for count in (1, 2, 4):
        add(nodes, count)
        assert Cluster().workers >= count
        there = scan(reviews(300), canaries=False, engine="ray", workers=count)
        assert conclusions(there) == conclusions(here)  # p-values and scores to the last digit that is written


def test_rows_are_screened_the_same_on_one_two_and_four_nodes(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here, hubs = screens.screened(LOCAL), screens.hubs_by(LOCAL)
    monkeypatch.setattr(hubs_module, "PART", 90)
    for name in ("FEWEST", "MOST", "STEP"):
        monkeypatch.setattr(row_blocks, name, 70)
    for count in (1, 2, 4):
        add(nodes, count)
        cluster = Cluster(workers=count)
        screens.same(screens.screened(cluster), here)
        assert all(map(np.array_equal, screens.hubs_by(cluster), hubs))


def test_templates_are_found_the_same_on_one_two_and_four_nodes(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay_blocks, "BLOCK", 150)
    here = pictures.templates_by(LOCAL)
    for count in (1, 2, 4):
        add(nodes, count)
        pictures.same_templates(pictures.templates_by(Cluster(workers=count)), here)


def test_phrases_are_tried_the_same_on_one_two_and_four_nodes(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = phrases.tried_by(LOCAL)
    monkeypatch.setattr(text_court, "FEWEST", 100)
    for count in (1, 2, 4):
        add(nodes, count)
        assert phrases.tried_by(Cluster(workers=count)) == here


def test_a_snapshot_and_a_clean_copy_of_shards_are_the_same_on_one_two_and_four_nodes(nodes: Any, tmp_path: Path) -> None:
    folder = sharded.shards(tmp_path / "data", "jsonl.gz")
    copy_without(folder, tmp_path / "here", [0, 3, 119])
    books = {count: sharded.book_of(tmp_path / f"nodes-{count}", folder) for count in (0, 1, 2, 4)}
    here = snapshots.take(books[0], read(folder), "v1")
    content.keep(books[0], read(folder), "v1")
    for count in (1, 2, 4):
        add(nodes, count)
        with using(Cluster(workers=count)):
            there = snapshots.take(books[count], read(folder), "v1")
            assert content.keep(books[count], read(folder), "v1") == 4
            copy_without(folder, tmp_path / f"there-{count}", [0, 3, 119])
        assert (there.root, there.rows.tolist()) == (here.root, here.rows.tolist())
        for file in sorted((tmp_path / "here").iterdir()):
            assert (tmp_path / f"there-{count}" / file.name).read_bytes() == file.read_bytes()


def test_a_node_killed_under_way_changes_nothing(nodes: Any) -> None:
    add(nodes, 2)
    doomed = nodes.add_node(num_cpus=2, object_store_memory=STORE)
    nodes.wait_for_nodes()
    cluster = Cluster()
    found: list[int] = []
    asked = threading.Thread(target=lambda: found.extend(cluster.map(work.slowly, [(i, 0.3) for i in range(24)])))
    asked.start()
    time.sleep(1.0)
    nodes.remove_node(doomed, allow_graceful=False)
    asked.join(120)
    assert found == [i * i for i in range(24)]


def test_work_on_a_slow_node_is_given_again(nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(nodes, 2)
    monkeypatch.setattr(engine_cluster, "PATIENCE", 1.0)
    cluster = Cluster()
    (tmp_path / "before").touch()
    for quick, *arguments in ((work.slow_once, str(tmp_path / "before"), 0.0), (work.told, "done")):  # usual is each kind's own
        list(cluster.map(quick, [arguments] * engine_cluster.ENOUGH))
    began = time.monotonic()
    slow = cluster.submit(work.slow_once, str(tmp_path / "begun"), 300.0, stay=True)
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    further, another = (cluster.submit(work.told, slow) for _ in range(2))
    assert cluster.result(further) == "told: done"  # it waits for the slow piece, and is given again with the one that was done
    time.sleep(2)  # what is called off hears of it
    assert cluster.result(another) == "told: done"
    assert time.monotonic() - began < 120


@pytest.mark.full
@pytest.mark.parametrize("kind", ["text", "table", "pictures"])
def test_whole_scans_with_canaries_are_the_same_though_a_node_dies(nodes: Any, kind: str) -> None:
    data = {"text": lambda: reviews(500), "table": adults, "pictures": digits}[kind]()
    here = scan(data)
    add(nodes, 3)
    doomed = nodes.add_node(num_cpus=2, object_store_memory=STORE)
    nodes.wait_for_nodes()
    killer = threading.Timer(8.0, lambda: nodes.remove_node(doomed, allow_graceful=False))
    killer.start()
    there = scan(data, engine="ray")
    killer.join()
    assert conclusions(there) == conclusions(here)


def adults() -> dict[str, Any]:
    """Two thousand rows of the breast cancer set's columns, drawn with noise, forty with one number out of range and one label."""
    from sklearn.datasets import load_breast_cancer

    rng = np.random.default_rng(0)
    x, y = load_breast_cancer(return_X_y=True)
    rows = rng.integers(0, len(x), 2000)
    cells, label = x[rows, :8] * rng.normal(1, 0.05, (2000, 8)), y[rows].copy()
    planted = rng.choice(np.flatnonzero(label == 0), 40, replace=False)
    cells[planted, 3], label[planted] = 9999.0, 1
    return {f"c{j}": cells[:, j] for j in range(8)} | {"label": label}


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The digits that scikit-learn ships, enlarged, forty with a checker in the corner and one label."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = (np.kron(found.images, np.ones((2, 2))) * 15).astype(np.uint8)[:1200, :, :, None]
    label = found.target[:1200].copy()
    planted = np.random.default_rng(0).choice(1200, 40, replace=False)
    images[planted, :3, :3, 0], label[planted] = [[255, 0, 255], [0, 255, 0], [255, 0, 255]], 3
    return images, label


def test_states_fold_on_the_cluster_and_what_work_raises_is_raised_here(nodes: Any) -> None:
    cluster = Cluster()
    folded = cluster.fold(work.seen, [(i,) for i in range(20)])
    assert folded is not None
    assert folded.numbers == tuple(range(20))
    block = cluster.put(np.arange(100))
    assert sum(cluster.map(work.total, [(block, a, b) for a, b in spans(100, 30)])) == 4950
    with pytest.raises(ValueError, match="no 7"):
        cluster.result(cluster.submit(work.refuse, 7))


def test_a_node_with_another_version_is_refused(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.engine.cluster.__version__", "9.9.9")
    cluster = Cluster()
    with pytest.raises(NoEngine, match=r"not 9\.9\.9\. Remedy: install the same version"):
        cluster.result(cluster.submit(work.seen, 1))


def test_an_engine_that_is_not_there_is_bad_input() -> None:
    with pytest.raises(DataError, match="only a Ray cluster has an address"):
        scan(reviews(60), address="auto")


def test_a_machine_too_busy_to_start_ray_is_said_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(**_: Any) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", busy)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(NoEngine, match="Remedy: try again when less runs here"):
        Cluster()
