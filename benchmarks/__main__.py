"""`python -m benchmarks`: ours against what people would use instead."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import click

from benchmarks.families import FAMILIES
from benchmarks.instance import Cell
from benchmarks.peers import NEEDS, PEERS
from benchmarks.race import installed, name, race
from benchmarks.report import write
from benchmarks.result import Result
from benchmarks.table import disagreements, header, instances, row, summary
from optimizer.model import Peering


def read_peers(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    """The peers of a list with commas."""
    names = value.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(PEERS)}")
    return names


@click.command(context_settings={"max_content_width": 118})
@click.option(
    "--family", multiple=True, type=click.Choice(list(FAMILIES)), help="Families to run [all, if no --orlib]."
)
@click.option("--size", multiple=True, type=click.IntRange(100), default=(1000,), show_default=True, help="Nodes.")
@click.option("--peering", multiple=True, type=click.Choice(get_args(Peering)), help="Peerings to run [both].")
@click.option(
    "--seed", multiple=True, type=int, default=(0,), show_default=True, help="Seeds of the irregular families."
)
@click.option("--time-limit", type=float, default=60.0, show_default=True, help="Seconds for each peer.")
@click.option("--peers", default=",".join(PEERS), show_default=True, callback=read_peers, help="Who takes part.")
@click.option("--orlib", type=click.Path(exists=True, path_type=Path), help="A set covering file, or a folder of them.")
@click.option(
    "--k", multiple=True, type=click.IntRange(1), default=(1,), show_default=True, help="Covers, for --orlib."
)
@click.option("--cores", type=click.IntRange(1), default=2, show_default=True, help="Cores for each peer.")
@click.option("--json", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write all results here.")
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), help="Draw the results into this folder.")
def main(
    family: tuple[str, ...],
    size: tuple[int, ...],
    peering: tuple[Peering, ...],
    seed: tuple[int, ...],
    time_limit: float,
    peers: list[str],
    orlib: Path | None,
    k: tuple[int, ...],
    cores: int,
    output: Path | None,
    pictures: Path | None,
) -> None:
    """Compare all peers on every instance, each in a process of its own on the same cores.

    Every answer is checked independently. Exit 1 where two proofs contradict each other or miss a known optimum.
    """
    for peer in peers:
        if not installed(peer):
            click.echo(f"{peer} is left out; to have it: pip install {NEEDS[peer]}", err=True)
    peers = [peer for peer in peers if installed(peer)]
    families = family or (() if orlib else tuple(FAMILIES))
    cells = [
        Cell(each, number, way, start)
        for each in families
        for number in size
        for way in peering or get_args(Peering)
        for start in seed
    ]
    if orlib:
        files = sorted(orlib.glob("*.txt")) if orlib.is_dir() else [orlib]
        cells += [Cell("orlib", 0, "selected", path=str(path.resolve()), k=number) for path in files for number in k]
    results: list[Result] = []
    click.echo(header())
    for number, cell in enumerate(cells, 1):
        for peer in peers:
            click.echo(f"[{number}/{len(cells)}] {name(cell)} {cell.size or ''} {cell.peering}: {peer} ...", err=True)
            results.append(race(cell, peer, time_limit, cores))
            click.echo(row(results[-1]))
            if output:
                write(output, click.get_current_context().params, results)
    click.echo("\n" + "\n".join(summary(results, time_limit)))
    if pictures:
        from benchmarks.pictures import draw

        for path in draw(results, time_limit, pictures):
            click.echo(f"drew {path}", err=True)
    sys.exit(1 if disagreements(instances(results)) else 0)


if __name__ == "__main__":
    main()
