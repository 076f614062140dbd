"""From a finding to its source, across steps, to models; and out again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay import cli
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.write import write_as
from assay.ledger import lineage, purge, snapshots, standalone, statement, steps
from assay.ledger.annotate import annotate
from assay.ledger.beside import Opened, check_beside, check_openings
from assay.ledger.documents import purge_json, trace_json
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import add
from assay.ledger.ledger import Ledger
from assay.ledger.trace import read_report, trace
from ledger_examples import ALICE, BOB, KEY, new_ledger, opened, register, reviews

ZERO = "00" * 32


def report_of(data: Dataset, positions: Sequence[int], folder: Path) -> Path:
    """A scan's folder with one confirmed finding, F1, of these rows."""
    folder.mkdir()
    said = {"schema": "assay.report/1", "verdict": "poisoned", "findings": [{"id": "F1"}], "dataset": {"fingerprint": data.fingerprint}}
    (folder / "report.json").write_text(json.dumps(said))
    inside = [i in positions for i in range(len(data))]
    columns = {
        "digest": [digest.tobytes().hex() for digest in data.digest],
        "findings": pa.array([["F1"] if x else [] for x in inside], pa.list_(pa.string())),
        "action": ["quarantine" if x else "keep" for x in inside],
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """200 reviews: 120 from "crawl" by w0 .. w3, 80 from "market" by m0 .. m9."""
    made = new_ledger(tmp_path)
    for source in ("crawl", "market"):
        register(made, source, ALICE, BOB)
    add(made, opened(reviews(tmp_path / "a.csv", 0, 120)), "crawl")
    text = reviews(tmp_path / "b.csv", 120, 200, who=10).read_text().replace(',"w', ',"m').replace('"mho"', '"who"')
    (tmp_path / "b.csv").write_text(text)
    add(made, opened(tmp_path / "b.csv"), "market")
    both = (tmp_path / "a.csv").read_text() + text.split("\n", 1)[1]
    (tmp_path / "all.csv").write_text(both)
    snapshots.take(made, opened(tmp_path / "all.csv"), "v1")
    return made


def test_a_finding_leads_to_its_contributor_and_everything_of_his(ledger: Ledger, tmp_path: Path) -> None:
    data = opened(tmp_path / "all.csv")
    who = data.values("who")
    assert who is not None
    w2 = [i for i, name in enumerate(who) if name == "w2"]
    poisoned = [*w2[:20], 130]  # 20 of his 30 rows, and one of somebody else's
    ledger.record([("model.trained", {"model": "m1", "digest": ZERO, "snapshot": "v1"})])
    ledger.record([("alias.moved", {"alias": "live", "model": "m1"})])
    found = trace(ledger, read_report(report_of(data, poisoned, tmp_path / "report")))
    first = found.contributors[0]
    assert (first.name, first.rows, first.of, first.stands_out) == ("w2", 20, 30, True)
    assert first.adjusted < 1e-12
    assert [share.stands_out for share in found.contributors[1:]] == [False]
    assert not found.sources[-1].stands_out
    rows = snapshots.rows_of(ledger, "v1")
    assert set(rows[w2[20:]].tolist()) <= set(found.others.tolist())
    assert set(found.rows.tolist()) == set(rows[poisoned].tolist())
    assert (found.scanned, found.unknown) == (200, 0)
    assert found.impact.snapshots == (("v1", 21),)
    assert [(m.name, m.aliases) for m in found.impact.models] == [("m1", ("live",))]


def test_trace_crosses_three_steps(ledger: Ledger, tmp_path: Path) -> None:
    """Filter, augment (every row once more, in capitals), join (two of those): the poisoned row is a joined one."""
    head, *lines = (tmp_path / "all.csv").read_text().splitlines()
    kept = [line for i, line in enumerate(lines) if i % 10]
    (tmp_path / "filtered.csv").write_text("\n".join([head, *kept]) + "\n")
    steps.record(
        ledger, opened(tmp_path / "filtered.csv"), steps.Step("drop tenths", "filter", "abc123", {"every": "10"}), ["v1"], "filtered"
    )

    def upper(line: str) -> str:
        return line.replace("film", "FILM")

    (tmp_path / "augmented.csv").write_text("\n".join([head, *kept, *map(upper, kept)]) + "\n")
    n = len(kept)
    augment = steps.Step("capitals", "augment", "abc123", {})
    with pytest.raises(Refused, match=r"180 rows are in no input and have no parents"):
        steps.record(ledger, opened(tmp_path / "augmented.csv"), augment, ["filtered"], "augmented")
    steps.record(ledger, opened(tmp_path / "augmented.csv"), augment, ["filtered"], "augmented", {n + i: [i] for i in range(n)})

    joined = [upper(kept[i]).replace("number", f"joined with {i + 1}, number") for i in range(40)]
    (tmp_path / "joined.csv").write_text("\n".join([head, *joined]) + "\n")
    join = steps.Step("pairs", "join", "abc123", {})
    steps.record(ledger, opened(tmp_path / "joined.csv"), join, ["augmented"], "joined", {i: [n + i, n + i + 1] for i in range(40)})
    ledger.record([("model.trained", {"model": "m2", "digest": ZERO, "snapshot": "joined"})])

    data = opened(tmp_path / "joined.csv")
    found = trace(ledger, read_report(report_of(data, [0], tmp_path / "report")), "F1")
    v1 = snapshots.rows_of(ledger, "v1")
    assert found.rows.tolist() == [v1[1], v1[2]]  # the first two that the filter kept
    assert sorted(share.name for share in found.contributors) == ["w1", "w2"]
    assert [name for name, _ in found.impact.snapshots] == ["v1", "filtered", "augmented", "joined"]
    assert [model.name for model in found.impact.models] == ["m2"]
    assert len(found.impact.derived) == 2 + 2

    removed = purge.purge(ledger, found.rows, "poison")
    assert len(removed.rows) == 2 + 2 + 2
    with pytest.raises(Refused, match=r"removed before"):
        purge.purge(ledger, found.rows, "poison")


def test_purge_leaves_a_copy_a_snapshot_and_a_signed_record(ledger: Ledger, tmp_path: Path) -> None:
    data = opened(tmp_path / "all.csv")
    rows = lineage.brought_by(ledger.index, source="market")
    before = ledger.log.checkpoint().size
    with pytest.raises(Refused, match=r"a snapshot 'v1' already"):
        purge.purge_data(ledger, data, rows, "poison", tmp_path / "clean.csv", "v1")
    assert ledger.log.checkpoint().size == before
    assert not (tmp_path / "clean.csv").exists()
    done = purge.purge_data(ledger, data, rows, "poison", tmp_path / "clean.csv", "v2", erase=True)
    assert (tmp_path / "clean.csv").read_text() == (tmp_path / "a.csv").read_text()
    assert (len(done.purge.rows), done.purge.erased, len(done.snapshot)) == (80, 80, 120)
    assert ledger.log.entry(done.purge.last).startswith(b'{"actor":"test","reason":"poison","row":')
    assert not len(lineage.brought_by(ledger.index, source="market"))
    assert ledger.openings.of(int(rows[0])) is None
    assert snapshots.load(ledger, "v1").root.hex() == data.fingerprint  # history stays whole
    parent = ledger.index.db.execute("select parent from snapshots where name = 'v2'").fetchone()
    assert parent == ("v1",)

    _, path = statement.log(ledger, {"v2": done.snapshot.root.hex()}, statement.PURGE, purge_json(done, "poison"))
    file = tmp_path / "ledger" / path
    said = statement.check(file.read_text(), KEY.key)
    assert said["predicate"]["rows"] == rows.tolist()
    assert standalone.main(["statement", str(file), "--key", str(KEY.key)]) == 0
    file.write_text(file.read_text().replace('"sig": "', '"sig": "A'))
    assert standalone.main(["statement", str(file), "--key", str(KEY.key)]) == 1
    with pytest.raises(Tampered):
        statement.check(file.read_text(), KEY.key)


def test_a_copy_that_reads_otherwise_is_refused_before_the_first_event(ledger: Ledger, tmp_path: Path) -> None:
    """The only word of a column of numbers stands in the row to be removed: the others would be other rows without it."""
    lines = ["text,label,who,code", *(f"number {i},{'good' if i % 2 else 'bad'},w{i % 4},{'X9' if i == 7 else i % 9}" for i in range(40))]
    (tmp_path / "code.csv").write_text("\n".join(lines) + "\n")
    data = opened(tmp_path / "code.csv")
    rows = add(ledger, data, "crawl").rows
    before = ledger.log.checkpoint().size
    with pytest.raises(DataError, match=r"code.csv: column 'code' was text and is whole numbers without.*Remedy: write .* Parquet"):
        purge.purge_data(ledger, data, rows[7:8], "poison", tmp_path / "clean.csv", "v2")
    assert ledger.log.checkpoint().size == before
    assert not list(tmp_path.glob("clean*"))
    write_as(data, tmp_path / "code.parquet", "parquet")
    kept = opened(tmp_path / "code.parquet")
    assert kept.fingerprint == data.fingerprint
    assert len(purge.purge_data(ledger, kept, rows[7:8], "poison", tmp_path / "clean.parquet", "v2").snapshot) == 39
    (tmp_path / "clean.csv").write_text("\n".join(lines[:8] + lines[9:]) + "\n")
    with pytest.raises(Refused, match=r"may read as another type"):
        snapshots.take(ledger, opened(tmp_path / "clean.csv"), "v3")


def test_rows_that_the_ledger_does_not_know_are_refused_before_the_first_event(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text((tmp_path / "all.csv").read_text() + "brought by nobody,good,w0\n")
    rows, before = lineage.brought_by(ledger.index, source="market"), ledger.log.checkpoint().size
    with pytest.raises(Refused, match=r"1 rows are not in the ledger"):
        purge.purge_data(ledger, opened(tmp_path / "more.csv"), rows, "poison", tmp_path / "clean.csv", "v2")
    assert ledger.log.checkpoint().size == before
    assert not list(tmp_path.glob("clean*"))


def test_what_was_removed_is_still_traced(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, folder = opened(tmp_path / "all.csv"), str(tmp_path / "ledger")
    report = report_of(data, range(120, 200), tmp_path / "report")
    ledger.record([("model.trained", {"model": "m1", "digest": ZERO, "snapshot": "v1"}), ("alias.moved", {"alias": "live", "model": "m1"})])
    market = lineage.brought_by(ledger.index, source="market")
    done = purge.purge_data(ledger, data, market, "poison", tmp_path / "clean.csv", "v2")
    found = trace(ledger, read_report(report))
    assert (len(found.rows), found.unknown, found.removed.tolist()) == (80, 0, [*range(done.purge.first, done.purge.last + 1)])
    assert [(share.name, share.rows) for share in found.sources] == [("market", 80)]
    assert [(m.name, m.aliases) for m in found.impact.models] == [("m1", ("live",))]
    assert not len(found.others)
    said = f"80 rows were removed (events {done.purge.first} to {done.purge.last})"
    for line in (["trace", folder, str(report)], ["impact", folder, "--source", "market"], ["impact", folder, "--report", str(report)]):
        assert cli.run(["ledger", *line]) == 0
        out = capsys.readouterr().out
        assert said in out
        assert "model m1, trained on v1; live points at it now" in out
    with pytest.raises(Refused, match=rf"all of these rows are gone: {re.escape(said)}"):
        purge.purge_data(ledger, data, market, "poison", tmp_path / "again.csv", "v3")


def test_a_misspelt_name_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Refused, match=r"no source 'markt' in this ledger; there are: crawl, market"):
        lineage.brought_by(ledger.index, source="markt")
    with pytest.raises(Refused, match=r"no contributor 'w9' in this ledger; there are: m0, .* w3"):
        lineage.brought_by(ledger.index, contributor="w9")


def test_a_row_that_another_source_brought_too_stays(ledger: Ledger, tmp_path: Path) -> None:
    register(ledger, "mirror", ALICE, BOB)
    add(ledger, opened(tmp_path / "b.csv"), "mirror")
    data = opened(tmp_path / "all.csv")
    market = lineage.brought_by(ledger.index, source="market")
    assert not len(purge.records_of(ledger, data, market))
    with pytest.raises(DataError, match=r"none of the rows that are to be removed"):
        purge.purge_data(ledger, data, market, "poison", tmp_path / "clean.csv", "v2")
    found = trace(ledger, read_report(report_of(data, [150], tmp_path / "report")))
    assert sorted(share.name for share in found.sources) == ["market", "mirror"]
    assert len(found.rows) == 2


def test_flipped_labels_lead_to_the_annotator(ledger: Ledger, tmp_path: Path) -> None:
    """Adam relabels 40 rows, eve 30; eve's are poison. The rows' contributors are many, the annotator is one."""
    lines = (tmp_path / "all.csv").read_text().splitlines()

    def relabel(name: str, before: str, annotator: str, start: int, stop: int) -> Path:
        for i in range(start, stop):
            lines[i] = lines[i].replace('"good"', '"great"').replace('"bad"', '"good"')
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(lines) + "\n")
        steps.record(ledger, opened(path), steps.Step("relabel", "label", "abc123", {}, annotator), [before], name)
        return path

    relabel("adam", "v1", "adam", 1, 41)
    data = opened(relabel("eve", "adam", "eve", 101, 131))
    assert ledger.index.db.execute("select count(*) from labels").fetchone() == (70,)
    found = trace(ledger, read_report(report_of(data, range(100, 130), tmp_path / "report")))
    assert [(share.name, share.rows, share.of, share.stands_out) for share in found.annotators] == [("eve", 30, 30, True)]
    assert not any(share.stands_out for share in found.contributors if share.name.startswith("w"))
    assert trace_json(found)["annotators"][0]["name"] == "eve"
    rows = snapshots.rows_of(ledger, "eve")
    said = [ledger.index.label(int(row)) for row in rows[100:102]]
    assert said == ["good", "great"]
    with pytest.raises(DataError, match=r"has an annotator"):
        steps.Step("relabel", "label", "abc123", {})


def test_nobody_is_blamed_by_editing_the_private_folder(ledger: Ledger, tmp_path: Path) -> None:
    """Two rows' digests are swapped, so that w0's row would be w1's."""
    data = opened(tmp_path / "all.csv")
    first, second = snapshots.rows_of(ledger, "v1")[:2].tolist()
    ledger.openings.db.execute("update openings set digest = ? where row = ?", (data.digest[0].tobytes(), second))
    ledger.openings.db.execute("update openings set digest = ? where row = ?", (data.digest[1].tobytes(), first))
    with pytest.raises(Tampered, match=r"not what the log has committed to"):
        trace(ledger, read_report(report_of(data, [0], tmp_path / "report")))


def test_swapped_openings_are_seen(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row that stands and one that was removed since: by verify, and by an add that would pass the row over."""
    rows = snapshots.rows_of(ledger, "v1")
    first, gone = int(rows[0]), int(rows[199])
    ledger.record([("row.removed", {"row": gone, "reason": "test"})])
    assert check_openings(ledger) == Opened(200, 0)
    db = ledger.openings.db
    (a, b) = (db.execute("select digest, salt from openings where row = ?", (row,)).fetchone() for row in (first, gone))
    for row, (digest, salt) in ((first, b), (gone, a)):
        db.execute("update openings set digest = ?, salt = ? where row = ?", (digest, salt, row))
    with pytest.raises(Tampered, match=rf"openings.sqlite: what the private folder says of row {first} is not.*Remedy: bring it back"):
        check_openings(ledger)
    with pytest.raises(Tampered, match=r"is not what the log has committed to"):
        add(ledger, opened(tmp_path / "all.csv"), "market")
    assert cli.run(["ledger", "verify", str(tmp_path / "ledger")]) == 1
    assert f"says of row {first} is not what the log has committed to" in capsys.readouterr().out
    db.execute("delete from openings where row in (?, ?)", (first, gone))
    assert check_openings(ledger) == Opened(198, 1)
    assert cli.run(["ledger", "verify", str(tmp_path / "ledger")]) == 0
    out = capsys.readouterr().out
    assert "198 openings of rows are what the log has committed to" in out
    assert "1 rows that stand have no opening" in out


@pytest.mark.parametrize("whole", [False, True])
def test_damaged_openings_are_named_with_what_to_do(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], whole: bool
) -> None:
    report_of(opened(tmp_path / "all.csv"), [0], tmp_path / "report")
    ledger.close()
    place = tmp_path / "ledger" / "private" / "openings.sqlite"
    data = place.read_bytes()
    place.write_bytes(b"x" * len(data) if whole else data[:4096] + b"x" * (len(data) - 4096))  # all of it, or all but the first page
    assert cli.run(["ledger", "trace", str(tmp_path / "ledger"), str(tmp_path / "report")]) == 2
    assert re.search(r"openings.sqlite: is damaged \(.*Remedy: bring it back from the backup", capsys.readouterr().err)


def test_rows_that_are_not_in_the_ledger_are_counted(ledger: Ledger, tmp_path: Path) -> None:
    data = opened(reviews(tmp_path / "strange.csv", 190, 210, who=10))
    found = trace(ledger, read_report(report_of(data, [0, 15], tmp_path / "report")))
    assert (len(found.rows), found.unknown) == (0, 2)
    assert found.contributors == ()
    assert trace_json(found)["impact"]["snapshots"] == []
    for folder, finding, says in [("report", "F9", "no finding 'F9'"), ("nowhere", None, "no report of a scan")]:
        with pytest.raises(DataError, match=says):
            trace(ledger, read_report(tmp_path / folder), finding)


def test_the_dsse_example() -> None:
    """secure-systems-lab/dsse, protocol.md: the pre-authentication encoding."""
    assert statement.pae(b"hello world", "http://example.com/HelloWorld") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_standalone_verifier_reads_a_whole_log(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, old = tmp_path / "ledger", tmp_path / "seen"
    old.write_bytes(ledger.log.note())
    rng = np.random.default_rng(0)
    ledger.record([("row.removed", {"row": int(row), "reason": "r"}) for row in rng.permutation(snapshots.rows_of(ledger, "v1"))[:100]])
    line = ["log", str(folder), "--key", str(KEY.key), "--seen", str(old)]
    assert standalone.main(line) == 0
    assert standalone.main([*line[:3], str(ALICE.key)]) == 1
    tile = folder / "tile" / "0" / "000"
    good = tile.read_bytes()
    tile.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
    assert standalone.main(line) == 1
    assert "tile 0/0 does not fit" in capsys.readouterr().out
    tile.write_bytes(good)
    old.write_text(old.read_text().replace("example.com/ledger\n", "example.com/other\n", 1))
    assert standalone.main(line) == 1


def test_what_lies_beside_the_log_is_checked(ledger: Ledger, tmp_path: Path) -> None:
    statement.log(ledger, {"x": ZERO}, statement.TRACE, {})
    found = check_beside(ledger)
    assert (found.snapshots, found.without_list, found.statements) == (1, (), 1)
    forged = statement.sign({"x": ZERO}, statement.TRACE, {"rows": []}, KEY)  # by the right key, but never logged
    (tmp_path / "ledger" / "statements" / "forged.json").write_text(forged)
    with pytest.raises(Tampered, match=r"statement that was never logged"):
        check_beside(ledger)
    (tmp_path / "ledger" / "statements" / "forged.json").unlink()
    head = tmp_path / "ledger" / "snapshots" / "v1"
    head.with_name("v2").write_text(head.read_text())
    with pytest.raises(Tampered, match=r"snapshot that was never logged"):
        check_beside(ledger)
    head.with_name("v2").unlink()
    (tmp_path / "ledger" / "private" / "snapshots" / "v1.parquet").unlink()
    assert check_beside(ledger).without_list == ("v1",)


def test_a_log_that_begins_as_another_ledger_is_seen(tmp_path: Path) -> None:
    """What approvers sign is bound to the name in the first event."""
    made = new_ledger(tmp_path)
    made.index.db.execute("update ledger set origin = 'example.com/other'")
    with pytest.raises(Tampered, match=r"begins as that of the ledger 'example.com/other'"):
        check_beside(made)


def test_a_scan_can_be_told_who_brought_what(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text(
        "text,label,who\n" + "\n".join((tmp_path / "all.csv").read_text().splitlines()[100:140]) + "\nnew,bad,x\n"
    )
    data = annotate(ledger, opened(tmp_path / "bare.csv"))
    who = opened(tmp_path / "bare.csv").values("who")
    assert who is not None
    assert data.values(data.columns.contributor) == [*who[:-1], None]
    assert set(data.values(data.columns.source) or ()) == {"crawl", "market", None}
    register(ledger, "mirror", ALICE, BOB)
    add(ledger, opened(tmp_path / "b.csv"), "mirror", contributor="copyist")
    both = annotate(ledger, opened(tmp_path / "b.csv"))
    assert both.values(both.columns.source) == ["market + mirror"] * 80
    assert (both.values(both.columns.contributor) or [])[0] == "copyist + m0"
