"""Every peer on the same instance and the same cores, one after the other, each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec.structs import replace

from benchmarks.instance import Cell
from benchmarks.peers import NEEDS
from benchmarks.result import Point, Result
from benchmarks.worker import Job


def installed(peer: str) -> bool:
    """Whether the packages that a peer needs are there; they are not imported."""
    return peer not in NEEDS or importlib.util.find_spec(NEEDS[peer]) is not None


def race(cell: Cell, peer: str, seconds: float, cores: int) -> Result:
    """The result of one peer on one instance."""
    if not installed(peer):
        return Result(cell, name(cell), peer, "missing", note=f"pip install {NEEDS[peer]}")
    # A process that would take all the memory takes others down with it.
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "result")
        job = Job(cell, peer, seconds, str(output), cores, memory)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=Path(__file__).parent.parent,
            input=msgspec.json.encode(job),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        lines = output.read_bytes().splitlines() if output.exists() else []
    if done.returncode == 0:
        return msgspec.json.decode(lines[-1], type=Result)
    said = done.stderr.decode(errors="replace").strip().splitlines()
    note = said[-1][:300] if said else ""
    if not lines:
        return Result(cell, name(cell), peer, "error", note=note or f"exit code {done.returncode}")
    points = tuple(msgspec.json.decode(line, type=Point) for line in lines[1:] if line.endswith(b"]"))
    begun = replace(msgspec.json.decode(lines[0], type=Result), trajectory=points)
    if done.returncode == -signal.SIGALRM:
        return replace(begun, note="did not end within 1.25 times the limit plus 10 s")
    return replace(begun, status="error", note=note or f"exit code {done.returncode}")


def name(cell: Cell) -> str:
    """The name of an instance before it is made."""
    return f"{Path(cell.path).stem}-k{cell.k}" if cell.path else cell.family
