"""`python -m benchmarks.start_up`: the main job on a small cluster, against only importing CP-SAT.

A small job is start-up for the most part. What it must not do is import the solver, which small components do without.
Each command is a process of its own, all of them in turn, and of each the fastest run counts.
"""

from __future__ import annotations

import math
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
@click.option(
    "--runs", type=click.IntRange(1), default=10, show_default=True, help="Runs, of which the fastest counts."
)
def main(runs: int) -> None:
    """Measure the main job on examples/2-leaf-routers against importing CP-SAT."""
    least: dict[str, float] = {}
    for _ in range(runs):
        for what, arguments in COMMANDS.items():
            least[what] = min(seconds([sys.executable, *arguments]), least.get(what, math.inf))
    for what, wall in least.items():
        click.echo(f"{what:<14}{wall:>6.2f} s")
    click.echo(f"{'ratio':<14}{least['optimize'] / least['import CP-SAT']:>6.2f}")


def seconds(command: Sequence[str]) -> float:
    """How long the command takes. Raises SystemExit where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)  # noqa: S603  one of those above
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
