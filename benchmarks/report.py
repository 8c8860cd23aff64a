"""A run as it is written to JSON, and read again."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.result import Result

PACKAGES = ("ortools", "highspy", "pyscipopt", "msgspec", "numpy")


class Report(msgspec.Struct, frozen=True):
    """The arguments of a run, the versions of what took part, and every result."""

    arguments: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, str]
    results: tuple[Result, ...]


def write(path: Path, arguments: dict[str, Any], results: Iterable[Result]) -> None:
    """Write a run."""
    machine = {"system": platform.system(), "processor": platform.machine()}
    report = Report(arguments, versions(), machine, tuple(results))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report, enc_hook=str), indent=1))


def read(paths: Iterable[Path]) -> tuple[list[Result], float]:
    """The results of several runs, the last one of a peer on an instance, and the largest time limit."""
    reports = [msgspec.json.decode(path.read_bytes(), type=Report) for path in paths]
    found = {(result.cell, result.peer): result for report in reports for result in report.results}
    return list(found.values()), max(float(report.arguments["time_limit"]) for report in reports)


def versions() -> dict[str, str]:
    """Of Python and of the packages that take part."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
