"""What a scan claims is held against the truth; clean controls are odd in natural ways; a short run has seen every attack once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.bench import runner
from assay.bench.case import Case, Cell, make_case
from assay.bench.claims import Claims, claims, like
from assay.bench.defence import Defence, Flags
from assay.bench.measures import after
from assay.bench.natural import VARIANTS, varied
from assay.bench.page import as_lines, as_table, markdown
from assay.bench.page_claims import discoveries, predictions
from assay.bench.page_plot import caught_and_wronged
from assay.bench.runner import read_lines, run_suite
from assay.bench.sets import SETS
from assay.bench.suites import MODALITY, SUITES, Suite
from assay.finding import Sensitivity

NOTHING = np.zeros(0, np.int64)


@pytest.fixture(scope="module")
def case() -> Case:
    whole = next(s for s in SETS if s.name == "digits").read()
    return make_case(Cell("digits", 500, "patch", carriers=30, params={"cover": 1}, seed=1), whole)


def flags(case: Case, *confirmed: np.ndarray, predicted: tuple[Sensitivity, ...] = ()) -> Flags:
    n = len(case.data)
    return Flags(np.zeros(n, bool), np.zeros(n), confirmed=confirmed, claimed=0.01, predicted=predicted)


def test_a_confirmed_artefact_is_false_where_less_than_half_of_its_rows_are_the_attackers(case: Case) -> None:
    assert case.planted is not None
    assert case.planted.cover is not None
    theirs, cover = np.flatnonzero(case.poisoned), np.flatnonzero(case.planted.cover)
    others = np.flatnonzero(~case.poisoned & ~case.planted.cover)
    found = claims(case, flags(case, theirs, np.r_[theirs[:5], cover[:5]], np.r_[theirs[:5], others[:6]]))
    assert (found.claimed, found.confirmed, found.false_confirmed, found.caught) == (0.01, 3, 1, True)
    assert claims(case, flags(case, theirs[:14], others[:20])).caught is False
    assert claims(case, Flags(case.poisoned, case.poisoned.astype(float))) == Claims()


def test_clean_data_makes_every_confirmed_artefact_false() -> None:
    clean = make_case(Cell("digits", 300), next(s for s in SETS if s.name == "digits").read())
    found = claims(clean, flags(clean, np.arange(9)))
    assert (found.confirmed, found.false_confirmed, found.caught) == (1, 1, None)


def test_canaries_speak_for_attacks_of_their_kind_and_no_fewer_carriers(case: Case) -> None:
    said = tuple(
        Sensitivity(kind, size, n, caught, 5, 0, 1)
        for kind, size, n, caught in (
            ("patch", "3x3 patch", 10, 2),
            ("patch", "3x3 patch", 20, 4),
            ("patch", "3x3 patch", 50, 5),
            ("overlay", "noise blended at alpha 0.2", 20, 1),
        )
    )
    plain = replace(case, cell=replace(case.cell, params={}))
    found = claims(plain, flags(plain, predicted=said))
    assert (found.canary_carriers, found.canary_caught, found.canary_planted) == (20, 4, 5)
    assert claims(case, flags(case, predicted=said)).canary_planted is None  # with cover: no canary is planted so
    assert like(Cell("sms", 9, "phrase", carriers=9, params={"text": "mn & tq"})) is None
    assert like(Cell("adult", 9, "cells", carriers=9)) == ("cells", "one value out of range")
    assert like(Cell("adult", 9, "cells", carriers=9, params={"features": 3, "bounds": "in"})) == ("cells", "three values in range")
    assert like(Cell("gtsrb", 9, "blend", rate=0.01, params={"alpha": 0.1})) is None
    assert like(Cell("gtsrb", 9, "patch", params={"mode": "all-to-all"})) is None
    assert like(Cell("gtsrb", 9)) is None


def line(defence: str, **more: object) -> dict[str, object]:
    base = {"defence": defence, "set": "sms", "attack": "phrase", "params": {"text": "cf"}, "budget": "50 carriers", "removed": 0}
    return {**base, "tpr": 0.0, "poisoned": 50, **more}


def test_the_page_sets_claims_beside_what_came_true() -> None:
    ours = {"claimed": 0.01, "confirmed": 2, "false_confirmed": 1, "caught": True}
    none = {"claimed": 0.01, "confirmed": 0, "false_confirmed": 0, "caught": False}
    seen = {"canary_carriers": 50, "canary_caught": 4, "canary_planted": 5}
    lines = [line("assay", removed=60, tpr=1.0, **ours, **seen), line("assay", **none, **seen), line("random", removed=50, tpr=0.1)]
    told = discoveries(lines)
    assert "| assay | 1% | 2 | 2 | 1 | 25.00% | 16.7% |" in told
    assert "| random | – | 1 | – | – | – | 90.0% |" in told
    assert "| sms | phrase text cf | 50 carriers | 50 | 8 of 10 (80%) | 44% to 97% | 1 of 2 (50%) | 1% to 99% |" in predictions(lines)
    assert predictions([line("random")]) == ""


def test_a_standard_run_cut_short_has_seen_every_attack_and_clean_set_once() -> None:
    suite = SUITES["standard"]
    cells = suite.cells()
    assert len(cells) == len({c.id for c in cells}) == 162
    first = cells[: len(suite.lines) + len(suite.clean)]
    assert {c.seed for c in first} == {0}
    assert len({(c.attack, str(c.params)) for c in first if c.attack}) == len(suite.lines)
    assert {c.set for c in first if not c.attack} == {name for name, _ in suite.clean}
    assert len({c.set for c in first if c.attack and MODALITY[c.set] == "text"}) > 2  # not all of one set
    costs = [MODALITY[c.set] == "image" for c in first]
    assert costs == sorted(costs)  # pictures last within a round


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_natural_oddities_keep_class_codes(variant: str) -> None:
    kinds = VARIANTS[variant][1]
    name = next(n for n, kind in (("digits", "image"), ("wine", "table"), ("sms", "text")) if kind in kinds)
    if name == "sms":
        pytest.importorskip("torch")
    try:
        data = next(s for s in SETS if s.name == name).read()
    except FileNotFoundError:
        pytest.skip("the data is not at hand")
    data = data.subset(np.arange(0, len(data), max(1, len(data) // 400)))
    made = varied(data, variant, np.random.default_rng(0))
    assert made.classes == data.classes
    again = varied(data, variant, np.random.default_rng(0))
    assert again.fingerprint == made.fingerprint != data.fingerprint
    assert (made.y >= 0).all()


def test_imbalance_and_wrong_labels_are_as_large_as_said() -> None:
    data = next(s for s in SETS if s.name == "digits").read()
    sizes = np.bincount(varied(data, "imbalanced", np.random.default_rng(0)).y)
    assert 9 < sizes.max() / sizes.min() < 11
    wrong = varied(data, "mislabelled", np.random.default_rng(0))
    assert 0.03 < (wrong.y != data.y).mean() < 0.07
    assert (wrong.images == data.images).all()


def test_the_clean_suite_has_300_subsamples_of_20_sets_and_every_oddity() -> None:
    cells = SUITES["clean"].cells()
    assert len({c.id for c in cells}) == len(cells) >= 300
    assert len({c.set for c in cells}) >= 20
    assert {c.variant for c in cells} == {"", *VARIANTS}
    assert not any(c.attack for c in cells)


def test_a_run_killed_within_a_cell_keeps_what_it_has(tmp_path, monkeypatch) -> None:
    calls: list[str] = []

    def flag(case: Case) -> Flags:
        calls.append("flag")
        if len(calls) == 1:
            raise KeyboardInterrupt
        return Flags(np.zeros(len(case.data), bool), np.zeros(len(case.data)))

    late = Defence("late", flag)
    known = runner.defences()
    monkeypatch.setattr(runner, "defences", lambda: (*known, late))
    some = [d for d in known if d.name in ("random", "perfect")]
    suite, out = Suite("tiny", (), (("wine", 100),), 0, 1, False), tmp_path / "x.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_suite(suite, out, [*some, late], 5.0, 1, lambda *_: None)
    assert [x["defence"] for x in read_lines(out)] == ["random", "perfect"]
    assert run_suite(suite, out, [*some, late], 5.0, 1, lambda *_: None) == (1, 0)
    lines = read_lines(out)
    assert [x["defence"] for x in lines] == ["random", "perfect", "late"]
    assert all(x["peak_bytes"] > 1e6 for x in lines)
    assert "**1 of the suite's 9 cells were run.**" in markdown("tiny", as_lines(as_table(lines)), "assay bench", "", 9)


def test_the_same_rows_removed_are_trained_without_once(case: Case, monkeypatch) -> None:
    from assay.bench import measures

    trained: list[int] = []
    fit = measures.fit
    monkeypatch.setattr(measures, "fit", lambda data, rng: trained.append(len(data)) or fit(data, rng))
    found = Flags(case.poisoned, case.poisoned.astype(float))
    assert after(case, found) == after(case, found)
    assert trained == [len(case.data) - 30]
    none = Flags(np.zeros(len(case.data), bool), np.zeros(len(case.data)))
    success, accuracy = after(case, none)
    assert trained == [len(case.data) - 30]  # nothing removed: the victim as it is
    assert success is not None
    assert 0 <= accuracy <= 1


def test_the_plot_shows_each_defence_and_what_it_wrongly_removes() -> None:
    base = {"failed": None, "success": 0.9, "attack": "patch"}
    lines = [
        {**base, "defence": "assay", "tpr": 0.8, "fpr": 0.0},
        {**base, "defence": "random", "tpr": 0.05, "fpr": 0.04},
        {**base, "defence": "random", "attack": "", "success": None, "tpr": None, "fpr": 0.05},
    ]
    drawn = caught_and_wronged(lines, "tiny")
    assert drawn is not None
    assert "assay: 80.00%" in drawn
    assert "random: 5.00%" in drawn
    assert drawn.startswith("<svg xmlns")
    assert caught_and_wronged(lines[2:], "tiny") is None
