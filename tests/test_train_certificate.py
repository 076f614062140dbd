"""A certificate as a file: it stands where it is true, and every way of making it false is found by `assay recheck`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from assay import cli
from assay.dataset.errors import DataError
from assay.train.certificate import Claim, certify, check, open_claim, write
from train_examples import configured, write_reviews

CASES = ["partitions = 9", "partitions = 7\nspread = 2", 'partitions = 9\nelection = "run-off"', 'partitions = 9\nby = "contributor"']


@pytest.fixture
def reviews(tmp_path: Path) -> pa.Table:
    """300 reviews by 30 people, in reviews.csv."""
    return write_reviews(tmp_path, 300, 30, np.random.default_rng(0))


def trained(tmp_path: Path, defence: str) -> Path:
    assert cli.run(["train", str(configured(tmp_path, defence)), "--out", str(tmp_path / "model")]) == 0
    return tmp_path / "model"


@pytest.mark.parametrize("defence", CASES)
def test_a_true_certificate_stands(tmp_path: Path, reviews: pa.Table, defence: str, capsys) -> None:
    model, cert, data = trained(tmp_path, defence), tmp_path / "cert", str(tmp_path / "reviews.csv")
    assert cli.run(["certify", str(model), data, "--out", str(cert)]) == 0
    assert ("contributors" if "by" in defence else "rows") in capsys.readouterr().out
    csv.write_csv(reviews.take(np.random.default_rng(1).permutation(300)), tmp_path / "shuffled.csv")
    assert cli.run(["recheck", str(cert), str(tmp_path / "shuffled.csv"), "--model", str(model), "--members", "4"]) == 0
    assert "stands (60 rows judged, 240 training rows" in capsys.readouterr().out
    claim = open_claim(cert)
    assert claim.certificate.radius.max() > 0
    with np.load(cert, allow_pickle=False) as arrays:
        assert not any(arrays[name].dtype.hasobject for name in arrays.files)


def test_other_rows_are_judged_and_found_again(tmp_path: Path, reviews: pa.Table) -> None:
    model, data = trained(tmp_path, CASES[0]), tmp_path / "reviews.csv"
    other = pa.table({"text": ["a warm funny plot", "dull stale scene"], "label": ["good", "bad"], "user": ["x", "y"]})
    csv.write_csv(other, tmp_path / "new.csv")
    claim = certify(model, data, tmp_path / "new.csv")
    assert [claim.about["classes"][c] for c in claim.certificate.prediction] == ["good", "bad"]
    assert check(claim, data, tmp_path / "new.csv", np.random.default_rng(0)).wrong == ()
    with pytest.raises(DataError, match="judged rows that the certificate names are not here"):
        check(claim, data, None, np.random.default_rng(0))


def test_rows_to_judge_need_no_label(tmp_path: Path, reviews: pa.Table) -> None:
    model, data, new = trained(tmp_path, CASES[0]), tmp_path / "reviews.csv", tmp_path / "new.csv"
    for columns in ({"text": ["a warm funny plot"]}, {"text": ["a warm funny plot"], "label": ["good"], "user": ["x"]}):
        csv.write_csv(pa.table(columns), new)
        claim = certify(model, data, new)
        assert [claim.about["classes"][c] for c in claim.certificate.prediction] == ["good"]
        assert check(claim, data, new, np.random.default_rng(0)).wrong == ()


def test_every_false_claim_is_found(tmp_path: Path, reviews: pa.Table) -> None:
    model, data = trained(tmp_path, CASES[0]), tmp_path / "reviews.csv"
    claim = certify(model, data)
    held = claim.certificate

    def said(again: int = 0, **changed) -> str:
        false = Claim(replace(held, **changed), claim.about, claim.judged, claim.trained)
        return " ".join(check(false, data, None, np.random.default_rng(0), again, model if again else None).wrong)

    assert said(again=2) == ""
    assert "poisons may make it" in said(radius=held.radius + 1)
    assert "is elected" in said(prediction=1 - held.prediction)
    assert "belongs to partition" in said(partition=(held.partition + 1) % 9)
    votes = np.repeat(held.prediction[:, None], 9, 1)
    retrained = said(again=2, votes=votes, radius=np.full(len(votes), 4))
    assert "votes otherwise when it is trained again" in retrained
    assert f"the model in {model} votes otherwise" in retrained
    settings = claim.about["settings"] | {"defence": {"kind": "partitioned", "partitions": 3}}
    asked = replace(claim, about=dict(claim.about) | {"settings": settings})
    assert "ask for 3 members" in " ".join(check(asked, data, None, np.random.default_rng(0)).wrong)


def test_a_certificate_that_hides_training_rows_does_not_stand(tmp_path: Path, reviews: pa.Table) -> None:
    model, data = trained(tmp_path, CASES[0]), tmp_path / "reviews.csv"
    claim = certify(model, data)
    fewer = replace(claim.certificate, partition=claim.certificate.partition[40:])
    hidden = Claim(fewer, claim.about, claim.judged, claim.trained[40:])
    assert any("votes otherwise" in line for line in check(hidden, data, None, np.random.default_rng(0), 9).wrong)


def test_the_command_says_what_is_wrong(tmp_path: Path, reviews: pa.Table, capsys) -> None:
    model, data = trained(tmp_path, CASES[0]), tmp_path / "reviews.csv"
    claim = certify(model, data)
    write(replace(claim, certificate=replace(claim.certificate, radius=claim.certificate.radius + 1)), tmp_path / "false")
    assert cli.run(["recheck", str(tmp_path / "false"), str(data)]) == 1
    printed = capsys.readouterr().out
    assert "poisons may make it" in printed
    assert "and 40 more" in printed  # sixty faults, twenty shown
    csv.write_csv(reviews.slice(100), tmp_path / "part.csv")
    assert cli.run(["recheck", str(tmp_path / "false"), str(tmp_path / "part.csv")]) == 2
    assert "training rows that the certificate names are not here" in capsys.readouterr().err
    assert cli.run(["certify", str(model), str(data), "--out", str(tmp_path / "false")]) == 2  # nothing is overwritten


def test_what_is_no_certificate_is_an_error(tmp_path: Path, reviews: pa.Table) -> None:
    (tmp_path / "junk").write_bytes(b"PK\x03\x04 junk")
    with pytest.raises(DataError, match=r"holds no certificate \(it is no .npz archive\)"):
        open_claim(tmp_path / "junk")
    for missing in (lambda: open_claim(tmp_path / "none"), lambda: certify(tmp_path / "none", tmp_path / "reviews.csv")):
        with pytest.raises(DataError, match="there is no such"):
            missing()
    model = trained(tmp_path, CASES[0])
    claim = certify(model, tmp_path / "reviews.csv")
    write(replace(claim, certificate=replace(claim.certificate, feeds=claim.certificate.feeds + 9)), tmp_path / "cert")
    with pytest.raises(DataError, match="do not go together"):
        open_claim(tmp_path / "cert")
    with pytest.raises(DataError, match="certifies nothing"):
        certify(tmp_path, tmp_path / "reviews.csv")
