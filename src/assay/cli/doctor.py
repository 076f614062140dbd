"""assay doctor"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import typer

NEEDED = ("numpy", "scipy", "scikit-learn", "pyarrow", "pillow", "typer", "rich", "jinja2")


@dataclass(frozen=True)
class Extra:
    """A package that is not needed, and what it adds."""

    package: str
    extra: str
    adds: str


EXTRAS = (
    Extra("torch", "torch", "a small network as the probe for pictures: more power on patches and overlays, GPU where there is one"),
    Extra("transformers", "language", "text classifiers and language models in folders: assay inspect FOLDER"),
    Extra("h5py", "keras", "Keras files, rebuilt in torch: assay inspect MODEL.keras"),
    Extra("onnxruntime", "meaning", "a sentence encoder as a second opinion on texts; ONNX picture models asked: assay inspect MODEL.onnx"),
    Extra("datasets", "hf", "saved Hugging Face data sets, and scanning them from memory"),
    Extra("pandas", "frames", "scanning pandas frames from memory"),
    Extra("polars", "frames", "scanning polars frames from memory"),
    Extra("ray", "ray", "scans on a cluster: assay scan --engine ray"),
    Extra("cryptography", "ledger", "signing and checking ledgers: assay ledger"),
)


def add(app: typer.Typer) -> None:
    app.command("doctor", short_help="What is installed, and what a missing extra would add.")(doctor)


def doctor() -> None:
    """What is installed here, what a missing extra would add, and what the machine has."""
    from rich.console import Console
    from rich.table import Table

    from assay import __version__

    table = Table(box=None, show_header=False, pad_edge=False)
    for column in ("what", "found", "note"):
        table.add_column(column, overflow="fold")
    table.add_row("assay", __version__, "")
    table.add_row("Python", platform.python_version(), platform.platform())
    for package in NEEDED:
        table.add_row(package, found(package) or "missing", "" if found(package) else "Assay cannot run without it")
    for extra in EXTRAS:
        there = found(extra.package)
        note = (
            gpu() if there and extra.package == "torch" else "" if there else f"would add {extra.adds}: pip install -e '.[{extra.extra}]'"
        )
        table.add_row(extra.package, there or "not installed", note, style="" if there else "yellow")
    table.add_row("cores", str(cores()), "")
    table.add_row("memory", f"{memory() / 2**30:.1f} GiB" if memory() else "unknown", "")
    Console(markup=False).print(table)


def found(package: str) -> str | None:
    """The installed version, or None.

    >>> found("no-such-package-here") is None
    True
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def gpu() -> str:
    """What torch can compute on."""
    import torch

    if not torch.cuda.is_available():
        return "no GPU that it can use"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Physical memory in bytes, 0 where it cannot be known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
