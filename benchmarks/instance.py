"""What is solved: a cluster with its policy, and the optimum where it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from optimizer.model import Cluster, Node, Peering, Policy, Router, Today


class Cell(Struct, frozen=True):
    """The arguments that give an instance, always the same one. `size` is the number of nodes. For the family `orlib`,
    where the file at `path` gives it, that is 0; `k` is then how often each row is to be covered."""

    family: str
    size: int
    peering: Peering
    seed: int = 0
    path: str | None = None
    k: int = 1


class Instance(Struct, frozen=True):
    """`known` is the proved optimum, the values in the order of the goals; `best_known` the best value that others
    have published for the first goal."""

    name: str
    cluster: Cluster
    policy: Policy
    known: tuple[int, ...] | None = None
    best_known: int | None = None


Family = Callable[[int, Peering, int], Instance]
"""Takes the number of nodes, the peering and the seed."""


def cluster_of(
    nodes: Sequence[Node],
    routers: Sequence[Router],
    attachments: Mapping[str, Sequence[str]],
    today: Today | None = None,
) -> Cluster:
    """The cluster, sorted as the model wants it."""
    return Cluster(
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        routers=tuple(sorted(routers, key=lambda router: router.name)),
        attachments={router: tuple(sorted(names)) for router, names in sorted(attachments.items())},
        today=today or Today(),
    )


def node_name(number: int) -> str:
    """Names that sort as the numbers do."""
    return f"node-{number:07d}"


def groups(size: int, each: int) -> list[range]:
    """`size` things in groups of `each`; what is left over joins the last group.

    >>> groups(100, 40)
    [range(0, 40), range(40, 100)]
    """
    number = max(1, size // each)
    return [range(i * each, size if i + 1 == number else (i + 1) * each) for i in range(number)]
