"""`python -m assay` is the command line."""

import subprocess
import sys


def test_the_package_runs_as_a_module() -> None:
    said = subprocess.run([sys.executable, "-m", "assay", "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("assay ")
