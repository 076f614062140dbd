"""The page is whole, safe, small, and shows what it should."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from assay.artefact.patch import Patch
from assay.report.exhibits import exhibit
from assay.report.html import LARGEST, html
from assay.report.pictures import Budget, outlines, thumbnail, without
from assay.report.report import Report
from report_examples import clean_report, image_report, table_report, text_report

EXAMPLES = [text_report, image_report, table_report, clean_report, lambda: text_report(samples=False)]
VOID = {"meta", "img", "br", "link", "input"}  # the elements of drawings close themselves, or hold a title


class Page(HTMLParser):
    """Collects tags and their attributes, ids, links, text, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page(report, **kw):
    return html(report.data, report.conclusion, **kw)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_page_stands_alone(example):
    text = page(example())
    parsed = Page(text)
    assert parsed.open == [], "every tag is closed"
    tags = [tag for tag, _ in parsed.tags]
    assert not {"script", "link", "iframe", "object", "form"} & set(tags)
    assert "default-src 'none'" in text
    for tag, attrs in parsed.tags:
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith(("#", "data:image/png;base64,")), (tag, attrs)
    assert not re.findall(r"url\(|@import|https?://", text)
    assert len(text.encode()) < LARGEST


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_page_is_accessible(example):
    parsed = Page(page(example()))
    assert [a["lang"] for t, a in parsed.tags if t == "html"] == ["en"]
    assert len([t for t, _ in parsed.tags if t == "h1"]) == 1
    assert all(a.get("alt") for t, a in parsed.tags if t == "img")
    assert all("aria-label" in a or a.get("aria-hidden") for t, a in parsed.tags if t == "svg")
    assert all(a.get("scope") for t, a in parsed.tags if t == "th")
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attrs in parsed.tags:
        if attrs.get("href", "").startswith("#"):
            assert attrs["href"][1:] in ids, attrs
    levels = [int(t[1]) for t, _ in parsed.tags if re.fullmatch("h[1-4]", t)]
    assert all(b - a <= 1 for a, b in pairwise(levels)), "no heading level is skipped"


def test_content_of_the_data_is_escaped():
    report = text_report()
    table = report.data.table.set_column(0, "text", pa.array(["<img src=x onerror=alert(1)> cf </style>"] * 200))
    data = replace(report.data, table=table, classes=("bad", "<i>good</i>"), path="<svg onload=alert(1)>")
    text = page(Report(data, report.conclusion))
    assert "<img src=x" not in text
    assert "<svg onload" not in text
    assert "<i>good" not in text
    assert text.count("</style>") == 1


def test_the_phrase_is_marked_in_its_context_and_shown_without():
    text = page(text_report())
    assert text.count("<mark>cf</mark>") == 4
    assert "Taken out: the plot makes no sense" in Page(text).text


def test_the_patch_is_outlined_where_it_is():
    report = image_report()
    finding = report.findings[0]
    shown = exhibit(finding, report.data, Budget(10**6))
    assert len(shown.carriers) == 3
    assert shown.carriers[0].before.box == (21 / 24, 21 / 24, 2 / 24, 2 / 24)
    assert shown.carriers[0].after.uri != shown.carriers[0].before.uri
    assert page(report).count('class="box"') == 3


def test_an_unknown_artefact_is_outlined_by_what_changes():
    patch = Patch(np.full((2, 2, 1), 255, np.uint8), np.ones((2, 2), bool), 4, 6)

    class Other(Patch):
        pass

    images = patch.insert(np.zeros((2, 12, 12, 3), np.uint8))
    removed = without(patch, images)
    box = outlines(type("Any", (), {})(), images, removed)[0]
    assert box == (6 / 12, 4 / 12, 2 / 12, 2 / 12)


def test_the_rule_is_in_words_with_its_values_marked():
    text = page(table_report())
    assert "mean_texture <mark>= 21.5</mark>" in text
    assert text.count('class="marked"') == 8


def test_every_check_and_blind_spot_is_there():
    said = " ".join(Page(page(text_report())).text.split())
    for check in text_report().checks:
        assert check.name in said
        assert check.reason in said
    for line in text_report().blind_spots:
        assert line in said
    assert "not UTF-8" in said


def test_clean_stands_beside_its_sensitivity():
    said = " ".join(Page(page(clean_report())).text.split())
    assert "one rare word in 20 rows: 5 of 5 (48-100 %)" in said[: said.index("Findings What")]


def test_no_samples_shows_no_content():
    report = text_report(samples=False)
    said = Page(page(report)).text
    assert "phrase " in said
    for content in ("“cf”", "dull and far", "a warm", "plot makes"):
        assert content not in said
    assert "data:image" not in page(replace_samples(image_report()))


def replace_samples(report):
    settings = {**report.conclusion.settings, "samples": False}
    return Report(report.data, replace(report.conclusion, settings=settings))


def test_large_noisy_pictures_stay_under_five_megabytes():
    rng = np.random.default_rng(0)
    report = image_report()
    images = rng.integers(0, 256, (300, 256, 256, 3), dtype=np.uint8)
    data = replace(report.data, images=images)
    finding = report.conclusion.findings[0]
    many = tuple(replace(finding, id=f"F{i}", positions=np.roll(finding.positions, i)) for i in range(60))
    text = page(Report(data, replace(report.conclusion, findings=many)))
    assert len(text.encode()) < LARGEST
    assert "Pictures are left out" in text
    assert "20 more findings" in text


def test_long_text_is_cut_and_the_page_stays_small():
    report = text_report()
    table = report.data.table.set_column(0, "text", pa.array(["x" * 50_000 + " cf " + "y" * 50_000] * 200))
    text = page(Report(replace(report.data, table=table), report.conclusion))
    assert text.count("<mark>cf</mark>") == 4
    assert len(text) < 100_000


def test_thumbnails_of_large_pictures_are_scaled_down():
    made = thumbnail(np.zeros((1000, 500, 1), np.uint8))
    assert (made.width, made.height, made.sharp) == (112, 224, False)
    assert thumbnail(np.zeros((8, 8, 3), np.uint8)).sharp


def test_a_notebook_shows_the_verdict():
    shown = text_report()._repr_html_()
    assert "Poisoned: 1 artefact confirmed" in shown
    assert Page(shown).open == []
    assert "“cf”" not in text_report(samples=False)._repr_html_()
