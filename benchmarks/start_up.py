"""`python -m benchmarks.start_up`: the main job on a small cluster, against only importing CP-SAT.

A small job is start-up for the most part. What it must not do is import the solver, which small components do without.
Each command is a process of its own, all of them in turn, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "2-leaf-routers" / "cluster.yaml"
COMMANDS = {
    "python alone": ("-c", "pass"),
    "import CP-SAT": ("-c", "import ortools.sat.python.cp_model"),
    "optimize": ("-m", "optimizer", "optimize", str(EXAMPLE)),
}


@click.command()
@click.option("--runs", type=click.IntRange(1), default=10, show_default=True, help="Runs of each command.")
def main(runs: int) -> None:
    """Measure the main job on examples/2-leaf-routers against importing CP-SAT."""
    taken: dict[str, list[float]] = {what: [] for what in COMMANDS}
    for number in range(runs + 1):
        for what, arguments in COMMANDS.items():
            wall = seconds([sys.executable, *arguments])
            if number:  # the first run reads the files from disk
                taken[what].append(wall)
    click.echo(f"{'':<16}{'least s':>9}{'median s':>10}")
    for what, walls in taken.items():
        click.echo(f"{what:<16}{min(walls):>9.2f}{statistics.median(walls):>10.2f}")
    ratio = statistics.median(taken["optimize"]) / statistics.median(taken["import CP-SAT"])
    click.echo(f"optimize takes {ratio:.2f} of the time that it takes to import CP-SAT")


def seconds(command: Sequence[str]) -> float:
    """How long the command takes. Raises SystemExit where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)  # noqa: S603  one of those above
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
