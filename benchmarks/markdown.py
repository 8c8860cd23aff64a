"""`python -m benchmarks.markdown RESULTS.json...`: results as a table for a README, a line an instance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.report import read
from benchmarks.result import Result, gap, proved, ranked
from benchmarks.table import instances, numbers, seconds, summary


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path, dir_okay=False))
def main(results: tuple[Path, ...]) -> None:
    """Print the results of JSON files as a table, and what they say of ours against the others."""
    found, limit = read(results)
    click.echo("\n".join(table(found)))
    click.echo("\n" + "\n".join(f"- {line}" for line in summary(found, limit)))


def table(results: Sequence[Result]) -> list[str]:
    """A line for each instance with the best value, and for each peer the time to its proof or what it came to."""
    peers = list(dict.fromkeys(result.peer for result in results))
    lines = [f"| instance | peering | nodes | best | {' | '.join(peers)} |", f"|---|---|--:|--:|{'--:|' * len(peers)}"]
    for case in instances(results):
        some = next(iter(case.values()))
        best = min((result.values for result in case.values() if ranked(result) and result.values), default=None)
        cells = [outcome(case[peer], best) if peer in case else "" for peer in peers]
        value = numbers(best) or "-"
        lines.append(f"| {some.instance} | {some.cell.peering} | {some.nodes:,} | {value} | {' | '.join(cells)} |")
    return lines


def outcome(result: Result, best: tuple[int, ...] | None) -> str:
    """What one peer came to: the time to its proof, else its value where it is not the best, and its gap.

    >>> from .instance import Cell
    >>> case = Result(Cell("f", 1, "selected"), "f", "p", "feasible", ("sessions", "speakers"), (10, 8), (10, 6))
    >>> outcome(case, (10, 7))
    '10/8, gap 25%'
    """
    if proved(result):
        return f"{seconds(result.seconds)} s"
    share = gap(result)
    if not ranked(result):
        return {"none": "nothing found"}.get(result.status, result.status)
    value = "best" if result.values == best else numbers(result.values)
    return f"{value}, no bound" if share is None else f"{value}, gap {share:.0%}"


if __name__ == "__main__":
    main()
