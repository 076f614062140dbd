"""A release that others can check: `python tools/release.py make --key KEYFILE --out DIR`, `python tools/release.py check DIR --key VKEY`.

`make` works from the last commit and nothing else. It builds the wheel twice, in folders of their own, and refuses if they
differ in a byte; installs it with the pinned versions in a fresh virtual environment; lists what lies there as a CycloneDX bill
of materials; and signs the SHA-256 of every file as a C2SP signed note, which any implementation of that format can check (key pairs:
`assay ledger key`). `check` opens the note and compares the files. With `--rebuild` it also builds the wheel of the checkout at
hand and says whether it is the released one.

Needs: pip install -c constraints.txt '.[release]'.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from hashlib import sha256
from pathlib import Path

from assay.dataset.errors import DataError
from assay.ledger.keys import read_key
from assay.ledger.note import Key, open_note, sign_note

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "MANIFEST.note"
BILL = "bill-of-materials.cdx.json"
FIRST_LINE = "assay release"
EXTRAS = "ledger,serve,postgres"  # in the bill: what people run; torch and Ray are theirs to choose


def run(*command: str | Path, where: Path = ROOT, **environment: str) -> str:
    """What a command prints. Raises DataError with its last words where it fails."""
    done = subprocess.run([str(c) for c in command], cwd=where, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise DataError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-400:]}", remedy="mend what it names and run again")
    return done.stdout.strip()


def commit() -> tuple[str, str]:
    """(the commit, the second it was made). Raises DataError with changes that are not committed."""
    if run("git", "status", "--porcelain"):
        raise DataError("there are changes that are not committed", path=ROOT, remedy="commit them, or release from a fresh clone")
    return run("git", "rev-parse", "HEAD"), run("git", "log", "-1", "--format=%ct")


def build(folder: Path, second: str) -> Path:
    """The wheel of the last commit. Times in it are the commit's; files have the modes that git gives them."""
    source = folder / "source"
    source.mkdir()
    run("git", "archive", "-o", folder / "source.tar", "HEAD")
    run("tar", "xf", folder / "source.tar", "--no-same-permissions", where=source)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, source, SOURCE_DATE_EPOCH=second, PYTHONHASHSEED="0")
    return next(folder.glob("*.whl"))


def built_twice(folder: Path, second: str) -> Path:
    """A wheel that comes out the same twice."""
    wheels = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        wheels.append(build(folder / name, second))
    if wheels[0].read_bytes() != wheels[1].read_bytes():
        raise DataError("two builds of the same commit differ", path=wheels[0].name, remedy="compare them with diffoscope")
    return wheels[0]


def bill(wheel: Path, folder: Path) -> str:
    """The CycloneDX bill of materials, JSON, of a fresh environment with the wheel and the pinned versions."""
    home = folder / "venv"
    venv.create(home, with_pip=True)
    run(home / "bin" / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", f"assay[{EXTRAS}] @ {wheel.as_uri()}")
    listed = run("cyclonedx-py", "environment", "--output-reproducible", "--of", "JSON", home / "bin" / "python")
    return listed.replace(wheel.as_uri(), wheel.name)  # it lies beside the bill, and no longer where it was built


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def make(out: Path, key: Path) -> None:
    """Wheel, bill and signed manifest in `out`, which must not be there yet."""
    if out.exists():
        raise DataError("is there already", path=out, remedy="give a folder that is not there yet")
    signer = read_key(key)
    made, second = commit()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = built_twice(folder, second)
        out.mkdir(parents=True)
        (out / wheel.name).write_bytes(wheel.read_bytes())
        (out / BILL).write_text(bill(wheel, folder) + "\n", encoding="utf-8")
    files = sorted(p for p in out.iterdir() if p.name != MANIFEST)
    text = "".join(f"{line}\n" for line in (FIRST_LINE, made, *(f"{digest(p)}  {p.name}" for p in files)))
    (out / MANIFEST).write_text(sign_note(text, [signer]), encoding="utf-8")
    print(f"{out / wheel.name}: built twice, the same to the bit\n{out / MANIFEST}: signed by {signer.key}")


def check(folder: Path, key: str, rebuild: bool) -> None:
    """Raises DataError unless the key signed the manifest and every file is what it says."""
    lines = open_note((folder / MANIFEST).read_bytes(), [Key.parse(key)]).text.splitlines()
    if lines[0] != FIRST_LINE:
        raise DataError("is no manifest of a release", path=folder / MANIFEST, remedy="give the folder that `make` wrote")
    named = {name: value for value, _, name in (line.partition("  ") for line in lines[2:])}
    there = {p.name for p in folder.iterdir()} - {MANIFEST}
    if there != named.keys():
        odd = ", ".join(sorted(there ^ named.keys()))
        raise DataError(f"files that are not as the manifest lists them: {odd}", path=folder, remedy="fetch the release again")
    for name, value in named.items():
        if digest(folder / name) != value:
            raise DataError("is not the file that was signed", path=folder / name, remedy="fetch the release again")
    print(f"{len(named)} files as signed, of commit {lines[1]}")
    if rebuild:
        made, second = commit()
        if made != lines[1]:
            raise DataError(f"the checkout is at {made}, the release is of {lines[1]}", path=ROOT, remedy=f"git checkout {lines[1]}")
        with tempfile.TemporaryDirectory() as name:
            wheel = build(Path(name), second)
            if digest(wheel) != named.get(wheel.name):
                raise DataError(
                    "the wheel built here is another", path=wheel.name, remedy="compare the versions of Python, build and setuptools"
                )
        print("the wheel built here is the released one, to the bit")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("--key", type=Path, required=True, help="The secret key's file, as assay ledger key wrote it.")
    making.add_argument("--out", type=Path, required=True)
    checking = commands.add_parser("check")
    checking.add_argument("folder", type=Path)
    checking.add_argument("--key", required=True, help="The public key, NAME+ID+BASE64.")
    checking.add_argument("--rebuild", action="store_true", help="Build the wheel of this checkout, too, and compare.")
    given = parser.parse_args()
    try:
        if given.command == "make":
            make(given.out, given.key)
        else:
            check(given.folder, given.key, given.rebuild)
    except (DataError, OSError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
