"""The container file and the systemd unit: that what they name is there, and that what they run is understood."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("fastapi")

from assay import cli
from assay.serve.service import Service
from assay.serve.settings import Settings

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "ENV", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT"}
FORMS = ("HEALTHCHECK", "ENTRYPOINT")  # their commands are JSON: run as they are, by no shell


def instructions() -> list[tuple[str, str]]:
    """(instruction, the rest) of the container file, as its reference has them: a line each, # begins a comment, a backslash goes on."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())]


def command(instruction: str) -> list[str]:
    rest = next(rest for word, rest in instructions() if word == instruction)
    words: list[str] = json.loads(rest[rest.index("[") :])
    return words


def test_the_container_file_is_well_formed() -> None:
    found = instructions()
    assert {word for word, _ in found} <= KNOWN
    assert found[0][0] == "FROM"
    stages = {rest.split(" AS ")[1] for word, rest in found if word == "FROM" and " AS " in rest}
    for word, rest in found:
        if word == "COPY":
            option, *paths = shlex.split(rest) if rest.startswith("--") else ["", *shlex.split(rest)]
            if option:
                assert option.removeprefix("--from=") in stages
            else:
                assert all((ROOT / path).exists() for path in paths[:-1]), rest
        if word in FORMS:
            assert all(isinstance(part, str) for part in command(word))
    users = [rest for word, rest in found if word == "USER"]
    assert users == ["8337"]  # never root


def options(words: list[str]) -> set[str]:
    """Options of a command line that `assay serve` does not know."""
    known = CliRunner().invoke(cli.app, ["serve", "--help"], terminal_width=200).output
    return {word for word in words if word.startswith("--") and word not in known}


def test_what_is_started_is_understood() -> None:
    words = command("ENTRYPOINT")
    assert words[:2] == ["assay", "serve"]
    assert not options(words)
    unit = (DEPLOY / "assay.service").read_text()
    start = shlex.split(next(line for line in unit.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart="))
    assert start[0].endswith("/assay")
    assert not options(start)


def test_the_health_check_of_the_container_is_a_route_and_compiles(tmp_path: Path) -> None:
    _, flag, code = command("HEALTHCHECK")
    assert flag == "-c"
    compile(code, "HEALTHCHECK", "exec")
    port = re.search(r"127\.0\.0\.1:(\d+)(/\w+)", code)
    assert port is not None
    assert port.group(2) == "/readyz"
    assert int(port.group(1)) == Settings(tmp_path).port == int(next(rest for word, rest in instructions() if word == "EXPOSE"))


def test_the_folder_of_the_container_is_all_it_writes_to(tmp_path: Path) -> None:
    """The image runs on a read-only root with a volume: everything lies below --data."""
    service = Service(Settings(tmp_path / "data", workers=0))
    service.open()
    service.close()
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    unit = (DEPLOY / "assay.service").read_text().replace("/opt/assay/bin/assay", "/bin/true")  # it looks whether the command is there
    (tmp_path / "assay.service").write_text(unit)
    done = subprocess.run(["systemd-analyze", "verify", str(tmp_path / "assay.service")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
