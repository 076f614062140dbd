"""Coverage-guided fuzzing with atheris: `python fuzz/fuzz_run.py TARGET [--seconds N] [--corpus FOLDER]`.

The corpus begins with `fuzz_corpus` and grows; a fault is written beside it as crash-… and ends the run with its traceback. Needs the
extra `fuzz`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(include=["assay"]):
    import assay.cli  # noqa: F401  # what commands import is instrumented too
    import fuzz_targets
    from fuzz_corpus import CORPUS


def main() -> None:
    """Fuzz one target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(fuzz_targets.TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"))
    given = parser.parse_args()
    folder = given.corpus / given.target
    folder.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["assay"]):  # seeds and targets import lazily: nothing of ours may be imported before
        for number, data in enumerate(CORPUS[given.target]()):
            (folder / f"seed-{number:02d}").write_bytes(data)
            fuzz_targets.attempt(given.target, data)
    arguments = [f"-max_total_time={given.seconds}", "-rss_limit_mb=4096", "-timeout=30", "-max_len=20000", "-print_final_stats=1"]
    atheris.Setup(
        [sys.argv[0], *arguments, f"-artifact_prefix={folder}/", str(folder)], lambda data: fuzz_targets.attempt(given.target, data)
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
