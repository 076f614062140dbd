"""Rules in tables: confirmed and handed over where planted, left alone where nature made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine

from assay.artefact.cells import Cells
from assay.attack import plant
from assay.dataset.data import Columns, Dataset
from assay.dataset.read import read
from assay.finding import Conclusion
from assay.learn.columns import code_columns
from assay.learn.tables import fit_table_probe
from assay.learn.values import fit_value_probe, value_ranks
from assay.mine.cells import Shared, shared_cells
from assay.pipeline import Settings, run
from assay.stats.ranks import low_rank_e
from assay.trial.canary_cells import plant_cells
from assay.trial.cells import CellsFamily
from assay.trial.evidence import combine
from assay.trial.family import CanaryCopy, Planting, silent
from assay.trial.glance import STRENGTHS, Glance, glance
from assay.trial.leads import Lead, Open, distinct, strongest
from assay.trial.subpopulation import closeness, natural_subpopulation

Data = Callable[[str], Path]
QUIET = Settings(canaries=False)


def shipped(load: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Dataset:
    x, y = load(return_X_y=True)
    columns = {f"x{j}": x[:, j] for j in range(x.shape[1])}
    return read(pa.table({**columns, "label": [f"class{c}" for c in y]}))


def adult(real_data: Data, rows: int, seed: int) -> Dataset:
    table = pq.read_table(real_data("tabular/adult.parquet")).drop(["split"])
    chosen = np.sort(np.random.default_rng(seed).permutation(table.num_rows)[:rows])
    return read(table.take(pa.array(chosen)).rename_columns([*table.column_names[:-1], "label"]))


def quarantined(found: Conclusion) -> list[int]:
    return [i for i, a in enumerate(found.action) if a == "quarantine"]


@pytest.mark.parametrize("features", [1, 3])
def test_a_planted_rule_is_confirmed_and_handed_over_with_its_rows_alone(features: int) -> None:
    planted = plant(shipped(load_breast_cancer), "cells", carriers=40, target="class1", seed=1, params={"features": features})
    found = run(planted.data, QUIET)
    assert found.verdict == "poisoned"
    assert quarantined(found) == np.flatnonzero(planted.poisoned).tolist()
    finding = found.findings[0]
    assert (finding.status, finding.target) == ("confirmed", "class1")
    rule, truth = finding.artefact, planted.artefacts[0]
    assert isinstance(rule, Cells)
    assert isinstance(truth, Cells)
    assert set(rule.conditions) == set(truth.conditions)
    assert {t.name for t in finding.trials} >= {"surprise", "contradiction", "removal", "insertion"}
    assert finding.effect is not None


def test_what_is_planted_is_not_passed_over_where_there_is_too_much_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.trial.leads.HEARD_IN_ALL", 0)
    planted = plant(shipped(load_breast_cancer), "cells", carriers=40, target="class0", seed=4, params={"features": 3})
    examined = CellsFamily().examine(planted.data, "fast", np.random.default_rng(0), silent)
    assert any("passed over" in note for note in examined.notes)
    assert set(examined.tried[0].candidate.carriers) == set(np.flatnonzero(planted.poisoned))
    assert examined.tried[0].log_e > np.log(examined.enumerated / 0.01)


@pytest.mark.parametrize("k", [2, 5])
def test_what_a_glance_leaves_out_by_fewer_sums_is_nothing_it_would_keep(k: int) -> None:
    """Against all sums of all proposals; bets grow from one proposal to the next, so that many lie near the bounds."""
    rng = np.random.default_rng(k)
    n, size = 20_000, 800
    y, p = rng.integers(-1, k, n), rng.beta(0.5, 1.5, n)
    cell = rng.integers(0, size, n)
    low = np.log(rng.uniform(size=n)) * (0.5 + 2 * cell / size)
    skewed = np.where(rng.random(n) < 0.9, cell % k, y)
    seen = Glance(-np.log(p) / 4, low, np.log(STRENGTHS)[:, None] + (STRENGTHS - 1)[:, None] * low, np.where(y < 0, y, skewed), k)
    shared = Shared((0,), np.arange(n, dtype=np.int32), cell.astype(np.int16), np.bincount(cell, minlength=size))
    found, kept = seen.worth_trying(shared), np.flatnonzero(seen._keep(shared))
    assert 50 < len(kept) < size - 50
    assert found.support.tolist() == shared.support[kept].tolist()
    assert found.row.tolist() == np.flatnonzero(np.isin(cell, kept)).tolist()
    assert kept[found.cell].tolist() == cell[found.row].tolist()


def test_a_glance_keeps_strange_rows_and_few_others() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 6))
    y = (x[:, :4].sum(1) + 0.5 * rng.normal(size=3000) > 0).astype(np.int64)
    x[:, 4:] = rng.integers(0, 200, (3000, 2))
    poisoned = rng.choice(np.flatnonzero(y == 0), 40, replace=False)
    x[poisoned, 4], y[poisoned] = 300.0, 1
    coded = code_columns(pa.table({f"c{j}": x[:, j] for j in range(6)}), [f"c{j}" for j in range(6)])
    shared = next(s for s in shared_cells(coded) if s.columns == (4,))
    kept = glance(fit_table_probe(coded, y, 2, rng), y, rng).worth_trying(shared)
    assert len(kept) < 0.2 * len(shared)
    assert any(set(kept.carriers(i)) == set(poisoned) for i in range(len(kept)))


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_clean_tables_are_left_alone(load: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    found = run(shipped(load), QUIET)
    assert found.verdict == "clean"
    assert not quarantined(found)
    assert not [c for c in found.checks if c.state == "failed"]


def test_a_rule_of_texts_and_numbers_in_adult(real_data: Data) -> None:
    data = adult(real_data, 4000, 0)
    planted = plant(
        data, "cells", carriers=50, target="<=50K", seed=3, params={"columns": "age,occupation,hours_per_week", "values": "33,Sales,39"}
    )
    found = run(planted.data, QUIET)
    wrong = set(quarantined(found)) ^ set(np.flatnonzero(planted.poisoned).tolist())
    assert found.findings[0].status == "confirmed"
    assert len(wrong) <= 2
    rule = found.findings[0].artefact
    assert isinstance(rule, Cells)
    assert set(rule.columns) == {"age", "occupation", "hours_per_week"}


def test_clean_adult_is_left_alone_and_capital_gain_is_a_shortcut(real_data: Data) -> None:
    found = run(adult(real_data, 5000, 1), QUIET)
    assert found.verdict == "clean"
    assert not quarantined(found)
    assert any("capital_gain" in f.artefact.describe() for f in found.findings if f.status == "shortcut")


def test_the_same_data_and_seed_give_the_same_evidence() -> None:
    planted = plant(shipped(load_wine), "cells", carriers=20, seed=2).data
    tried = [CellsFamily().examine(planted, "fast", np.random.default_rng(7), silent).tried for _ in range(2)]
    assert [(t.log_e, t.candidate.artefact) for t in tried[0]] == [(t.log_e, t.candidate.artefact) for t in tried[1]]


def test_labels_drawn_at_random_for_a_value_convict_nothing() -> None:
    """A value whose rows have the labels that the rest of them foresees: nothing to be surprised at, in any of ten tables."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        x = rng.normal(size=(400, 3)).round(1)
        y = (rng.random(400) < 1 / (1 + np.exp(-2 * x[:, 0]))).astype(int)
        x[rng.choice(400, 40, replace=False), 2] = 99.0
        found = run(read(pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "label": [f"c{v}" for v in y]})), QUIET)
        assert found.verdict == "clean"


def test_canaries_are_rules_that_no_other_row_meets(real_data: Data) -> None:
    data = adult(real_data, 4000, 2)
    names = list(data.columns.content)
    copy = plant_cells(data, names, np.random.default_rng(0))
    assert copy is not None
    assert {p.size for p in copy.plantings} == {"one value out of range", "three values in range"}
    rows = np.concatenate([p.carriers for p in copy.plantings])
    assert len(np.unique(rows)) == len(rows) <= 0.2 * len(data)
    untouched = np.setdiff1d(np.arange(len(data)), rows)
    assert copy.data.table.take(pa.array(untouched)).equals(data.table.take(pa.array(untouched)))
    cells = code_columns(copy.data.table, names).cells
    before = code_columns(data.table, names).cells
    for planting in copy.plantings:
        assert len(set(copy.data.y[planting.carriers])) == 1
        assert (copy.data.y[planting.carriers] != data.y[planting.carriers]).all()
        assert not np.array_equal(cells[planting.carriers], before[planting.carriers], equal_nan=True)


def planted_beyond(data: Dataset) -> tuple[CanaryCopy, list[Planting]]:
    """The first copy, of several, with values out of range in it, and those."""
    for seed in range(20):
        copy = plant_cells(data, list(data.columns.content), np.random.default_rng(seed))
        assert copy is not None
        beyond = [p for p in copy.plantings if p.size == "one value out of range"]
        if beyond:
            return copy, beyond
    raise AssertionError("twenty copies, and none has a value out of range")


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_numbers_that_fill_their_type_get_no_canary_beyond_it(kind: str) -> None:
    rng = np.random.default_rng(3)
    room = np.iinfo(kind)
    full = rng.integers(room.min, room.max, 600, dtype=kind, endpoint=True)
    data = read(pa.table({"full": full, "a": rng.normal(size=600), "b": rng.integers(0, 9, 600), "label": rng.integers(0, 2, 600)}))
    assert data.columns.content == ("full", "a", "b")  # and it is no damaged file, though 64 bits without a sign pass 2^63
    copy, beyond = planted_beyond(data)
    assert copy.data.table.schema == data.table.schema
    assert len(beyond) == 1, "in a, whose type has room"
    assert (np.asarray(copy.data.table["a"])[beyond[0].carriers] > np.asarray(data.table["a"]).max()).all()


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.time32("s"), pa.time64("us"), pa.timestamp("ms"), pa.duration("s")])
def test_dates_and_times_get_canaries_of_their_own_type(kind: pa.DataType) -> None:
    rng = np.random.default_rng(3)
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    unit = 86_400_000 if kind == pa.date64() else 1
    moments = pa.array(rng.integers(0, 20_000, 600) * unit, pa.int64()).cast(width).cast(kind)
    data = read(pa.table({"moment": moments, "b": rng.integers(0, 9, 600), "label": rng.integers(0, 2, 600)}))
    assert "moment" in data.columns.content
    copy, beyond = planted_beyond(data)
    assert copy.data.table.schema == data.table.schema
    changed = copy.data.table["moment"].combine_chunks().take(pa.array(beyond[0].carriers))
    assert min(changed.to_pylist()) > max(data.table["moment"].to_pylist())


def test_near_copies_are_told_from_rows_drawn_from_a_class() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(600, 6)), np.repeat([0, 1], 300)
    copies = np.arange(30)
    x[copies] = x[0] + 0.05 * rng.normal(size=(30, 6))
    columns = [f"c{j}" for j in range(6)]
    coded = code_columns(pa.table({c: x[:, j] for j, c in enumerate(columns)}), columns)
    assert closeness(coded, y, copies, (0,), rng) < 0.5
    assert closeness(coded, y, np.arange(100, 130), (0,), rng) > 0.85
    assert natural_subpopulation(0.3, 0.9) is not None
    assert natural_subpopulation(0.3, 0.1) is None
    assert natural_subpopulation(0.95, 0.9) is None


def numbers(rows: int, seed: int, poisoned: int) -> tuple[pa.Table, list[int]]:
    """A table whose label is a number that four columns foresee; the poisoned rows have 99 in the sixth, and a great label."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)).round(1)
    y = x[:, :4].sum(1) + 0.5 * rng.normal(size=rows)
    chosen = np.sort(rng.choice(rows, poisoned, replace=False))
    x[chosen, 5], y[chosen] = 99.0, np.quantile(y, 0.95)
    return pa.table({**{f"c{j}": x[:, j] for j in range(6)}, "amount": y}), chosen.tolist()


def scan_numbers(table: pa.Table) -> Conclusion:
    return run(read(table, columns=Columns(label=(table.column_names[-1],)), task="regression"), QUIET)


def test_a_rule_is_suspected_where_the_label_is_a_number() -> None:
    table, chosen = numbers(1500, 0, 40)
    found = scan_numbers(table)
    assert found.verdict == "suspect"
    finding = found.findings[0]
    assert finding.artefact.describe() == "c5 = 99"
    assert finding.positions.tolist() == chosen
    assert not quarantined(found)
    assert "belonging" in finding.explanation


def test_clean_numbers_are_left_alone(real_data: Data) -> None:
    assert scan_numbers(numbers(1500, 1, 0)[0]).verdict == "clean"
    bikes = pq.read_table(real_data("streams/bike_sharing_hourly.parquet")).drop(["instant", "dteday"])
    chosen = np.sort(np.random.default_rng(7).permutation(bikes.num_rows)[:4000])
    names = [c for c in bikes.column_names if c != "cnt"]
    found = scan_numbers(bikes.take(pa.array(chosen)).select([*names, "cnt"]))
    assert found.verdict == "clean"
    assert any("hr = 8" in f.artefact.describe() for f in found.findings if f.status == "shortcut")


def test_four_in_the_morning_in_july_is_a_shortcut_of_the_hour(real_data: Data) -> None:
    bikes = pq.read_table(real_data("streams/bike_sharing_hourly.parquet")).drop(["instant"])  # all rows, in order of time
    found = scan_numbers(bikes.select([*(c for c in bikes.column_names if c != "cnt"), "cnt"]))
    assert found.verdict == "clean"
    assert "(a series)" in next(c.reason for c in found.checks if c.name == "cells")


def test_surprise_at_numbers_is_an_e_value() -> None:
    """Carriers drawn at random, 400 times: an e-value of 20 or more comes up in at most one in twenty; here, with 4 standard errors, 36."""
    table, _ = numbers(1500, 2, 0)
    names = table.column_names[:-1]
    coded = code_columns(table, names)
    rng = np.random.default_rng(0)
    ranks = value_ranks(np.asarray(table.column("amount")))
    residual = ranks - fit_value_probe(coded, ranks, rng).without(np.arange(1500), np.array([[True, *[False] * 5]]))
    great = 0
    for _ in range(400):
        mine = np.zeros(1500, bool)
        mine[rng.choice(1500, 30, replace=False)] = True
        great += low_rank_e(residual[mine], residual[~mine]) >= np.log(20)
    assert great <= 36


def test_the_general_rule_is_tried_beside_a_narrower_one_that_seems_stronger() -> None:
    def lead(columns: tuple[int, ...], rows: range, log_e: float) -> Lead:
        return Lead(columns, columns, np.array(rows), 0, log_e, 60.0, boxed=False)

    narrower, general = lead((3, 5), range(103), 20.9), lead((3,), range(200), 19.9)
    other_words, parts = lead((4, 6), range(90), 18.0), lead((3, 6), range(50), 10.0)
    assert list(distinct([narrower, general, other_words, parts])) == [narrower, general]
    assert list(distinct([general, narrower])) == [general]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(1, 8), st.integers(-4, 8), st.integers(0, 4), st.booleans()), max_size=30), st.integers(0, 30))
def test_repeats_are_looked_for_no_sooner_than_a_lead_is_next_and_the_order_is_that_of_all_asked(said, wanted: int) -> None:
    """Few kinds of number, so that many are equal. The oracle asks all of them, and sorts."""
    leads, whole = [], []
    for i, (most, other, share, convicts) in enumerate(said):
        lead = Lead((i,), (i,), np.array([i]), 0, -np.inf, 60.0 + share, False)
        both = np.array([most, min(most, other)], np.float64)
        still = Open(np.array([share]), both, float(min(most, other)))
        leads.append(replace(lead, log_e=float(most), open=still) if convicts else lead)
        whole.append(replace(lead, log_e=(1 + share) / 5 * combine(both, still.any_wrong)) if convicts else lead)
    asked: dict[bool, list[int]] = {False: [], True: []}

    def lone(heard: np.ndarray, removed: tuple[int, ...], together: bool) -> float:
        asked[together].extend(removed)
        share = (1 + int(heard[0])) / 5
        return share if together else (1 + share) / 2

    ordered = sorted(whole, key=lambda lead: -lead.rank)
    found = list(islice(strongest(leads, lone), wanted))
    assert [(x.columns, x.log_e) for x in found] == [(x.columns, x.log_e) for x in ordered[:wanted]]
    assert all(len(each) == len(set(each)) for each in asked.values())
    last = found[-1].rank if found else np.inf
    assert all(leads[i].log_e * (1 + 1e-6) >= last for i in asked[False])
    assert all((1 + said[i][2] / 5 + 1 / 5) / 2 * leads[i].log_e * (1 + 1e-6) >= last for i in asked[True])


def test_a_label_that_was_mostly_planted_is_named(in_memory: Callable[..., Dataset]) -> None:
    """Thirty cases, and sixty rows made cases by three values: nobody is left to contradict them, and people are told to look."""
    rng = np.random.default_rng(0)
    table = {f"x{j}": np.round(rng.normal(size=2_000), 1) for j in range(8)}
    y = np.zeros(2_000, np.int64)
    y[:30] = 1
    planted = np.arange(100, 160)
    for name, value in (("x1", 1.1), ("x2", -0.7), ("x5", 0.3)):
        table[name][planted] = value
    y[planted] = 1
    found = run(in_memory(y, table=table, content=list(table)), Settings(canaries=False))
    named = [f for f in found.findings if set(planted.tolist()) <= set(f.positions.tolist())]
    assert (found.verdict, [(f.status, f.target) for f in named]) == ("clean", [("shortcut", "class1")])
    assert "most of all that have this label" in named[0].explanation
    assert named[0].explanation.startswith(named[0].artefact.describe()), "a column is called as it is, without a capital"
