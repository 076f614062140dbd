"""What the documentation says to type works: blocks marked `<!-- run -->` are run, and every other command has the options it is given."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from assay import cli

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
PAGES = [page for page in DOCS if "evidence" not in page.parts]
RUN = re.compile(r"<!-- run(?P<full> full)?(?: exit=(?P<code>\d+))? -->\n```bash\n(?P<script>.*?)```", re.DOTALL)
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(?:^|\s|;|\()(?:\.venv/bin/)?assay ([a-z].*)")


def blocks(page: Path, full: bool) -> list[tuple[str, int]]:
    """(script, exit code) of a page's runnable blocks; with `full` only of pages that have one so marked, else only of the others."""
    found = list(RUN.finditer(page.read_text(encoding="utf-8")))
    heavy = any(f["full"] for f in found)
    return [(f["script"], int(f["code"] or 0)) for f in found] if heavy == full else []


def run_page(page: Path, full: bool, tmp_path: Path) -> None:
    shim = tmp_path / "bin"
    shim.mkdir()
    for name, program in (("assay", '-c "from assay.cli import main; main()"'), ("python", "")):
        (shim / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {program} "$@"\n')
        (shim / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    env = {**os.environ, "PATH": f"{shim}:{os.environ['PATH']}", "COLUMNS": "100"}
    for script, code in blocks(page, full):
        done = subprocess.run(["bash", "-e", "-c", script], cwd=work, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{page.name}:\n{script}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, False)], ids=lambda p: p.stem)
def test_runnable_blocks(page, tmp_path):
    run_page(page, False, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, True)], ids=lambda p: p.stem)
def test_heavy_runnable_blocks(page, tmp_path):
    run_page(page, True, tmp_path)


def commands() -> list[tuple[str, str]]:
    """(page, what follows `assay`) of every command in a shell block or an indented one."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
        lines += [line.strip() for line in text.splitlines() if line.startswith("    assay ")]
        for line in lines:
            for part in re.split(r"[;|]\s|&&|\s{3,}", line.split(" # ")[0]):
                match = COMMAND.search(part)
                if match:
                    found.append((page.name, match[1].strip()))
    return found


def problem(line: str) -> str:
    """What is wrong with a command; "" for one that the program knows with all its options."""
    node = typer.main.get_command(cli.app)
    words = shlex.split(line.replace("…", "").replace("...", ""), comments=True)
    while words and hasattr(node, "commands"):
        word = words.pop(0)
        if word.startswith("-"):
            return ""
        if word not in node.commands:
            return f"there is no {word}"
        node = node.commands[word]
    options = {name for p in node.params for name in (*p.opts, *p.secondary_opts)} | {"--debug", "--help", "-h"}
    unknown = [w for w in words if w.startswith("--") and w.split("=")[0] not in options]
    return f"no {unknown}" if unknown else ""


def test_every_command_named_has_the_options_it_is_given():
    found = commands()
    assert len(found) > 80
    bad = [f"{page}: assay {line}: {why}" for page, line in found if (why := problem(line))]
    assert not bad, "\n".join(bad)


def test_every_link_leads_somewhere():
    nav = re.findall(r"([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text())
    assert all((ROOT / "docs" / name).exists() for name in nav)
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
