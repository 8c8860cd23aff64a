"""Set covering instances of the OR-Library as placements: a row is a router, a column a node, its cost a node cost.

Format (J. E. Beasley, OR-Library): the numbers of rows and columns, the cost of each column, then for each row how many
columns cover it, and which, counted from 1.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from benchmarks.instance import Instance, cluster_of
from optimizer.model import LabelSelector, Node, NodeCost, NodeRules, Policy, Router


def read(path: Path, k: int) -> Instance:
    """The instance of a file, with `k` nodes of different names for each router. `best_known.csv` beside it gives the
    best known value, which holds for k = 1."""
    numbers = list(map(int, path.read_text().split()))
    rows, columns = numbers[:2]
    costs, rest = numbers[2 : 2 + columns], numbers[2 + columns :]
    covers, start = [], 0
    for _ in range(rows):
        covers.append(rest[start + 1 : start + 1 + rest[start]])
        start += 1 + rest[start]
    best = best_known(path) if k == 1 else None
    return covering(f"{path.stem}-k{k}", costs, covers, k, best)


def best_known(path: Path) -> int | None:
    """The best value that `best_known.csv` gives for the file."""
    table = path.with_name("best_known.csv")
    if not table.exists():
        return None
    with table.open(newline="") as lines:
        return next((int(row["best_known"]) for row in csv.DictReader(lines) if row["file"] == path.name), None)


def covering(
    name: str, costs: Sequence[int], covers: Sequence[Sequence[int]], k: int, best: int | None = None
) -> Instance:
    """A set covering problem: the columns, counted from 1, that cover each row, and what a column costs.

    Sessions are free, so the nodes have no allocatable resources, and the cost of a node is its label's.
    """
    nodes = [Node(f"column-{i:06d}", labels={"cost": str(cost)}) for i, cost in enumerate(costs, 1)]
    rows = {f"row-{i:05d}": sorted({nodes[column - 1].name for column in row}) for i, row in enumerate(covers, 1)}
    prices = tuple(NodeCost(LabelSelector({"cost": str(cost)}), cost) for cost in sorted(set(costs)))
    policy = Policy(speakers_per_router=k, peering="selected", goals=("cost",), nodes=NodeRules(cost=prices))
    return Instance(name, cluster_of(nodes, [Router(row) for row in rows], rows), policy, best_known=best)
