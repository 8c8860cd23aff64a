"""The problem as people write it down: a binary column for each node and each session, and a row for each rule.

No classes, no components: the model that ours is measured against, and the exact check of ours. CP-SAT, HiGHS and SCIP
are given the same. Nodes that cannot carry a speaker are left out, as the independent check of placements sees them.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from optimizer.checks.nodes import node_cost, overload
from optimizer.checks.placement import Index, look_up
from optimizer.model import Cluster, Node, Placement, Policy, Router, Session

Columns = list[int]


class Sum(Struct, frozen=True):
    """The sum of columns times their factors, plus a constant."""

    columns: Sequence[int]
    factors: Sequence[int]
    constant: int = 0


class Row(Struct, frozen=True):
    """A sum that is at least `lower` and at most `upper`, where they are given."""

    sum: Sum
    lower: int | None = None
    upper: int | None = None


class PlainModel(Struct, frozen=True):
    """Binary columns 0 to `width` - 1, the rows, the goals in order; what the columns of speakers and sessions mean."""

    width: int
    rows: tuple[Row, ...]
    goals: tuple[tuple[str, Sum], ...]
    speakers: tuple[tuple[str, int], ...]
    sessions: tuple[tuple[Session, int], ...]

    def placement(self, values: Sequence[float]) -> tuple[tuple[str, ...], tuple[Session, ...]]:
        """The speakers and sessions that a solution stands for."""
        speakers = tuple(name for name, column in self.speakers if values[column] > 0.5)
        return speakers, tuple(sorted(session for session, column in self.sessions if values[column] > 0.5))


def ones(columns: Columns) -> Sum:
    """The plain sum of columns."""
    return Sum(columns, [1] * len(columns))


def value(sum_: Sum, values: Sequence[float]) -> int:
    """The value of a sum."""
    return sum_.constant + sum(
        factor * round(values[column]) for column, factor in zip(sum_.columns, sum_.factors, strict=True)
    )


def plain_model(cluster: Cluster, policy: Policy) -> PlainModel:
    """The model of a problem in mode bgp, without best effort."""
    case = look_up(cluster, policy, Placement("feasible"))
    nodes = {node.name: node for node in cluster.nodes if node.name in case.eligible}
    x = {name: column for column, name in enumerate(nodes)}
    s: dict[tuple[str, str], int] = {}
    by_node: dict[str, Columns] = {name: [] for name in nodes}
    for router in cluster.routers:
        for name in cluster.attachments[router.name]:
            if name in nodes:
                by_node[name].append(len(x) + len(s))
                s[name, router.name] = len(x) + len(s)
    rows = [row for name in nodes for row in speaker_rows(nodes[name], x[name], by_node[name], cluster, policy)]
    for router in cluster.routers:
        names = [name for name in cluster.attachments[router.name] if name in nodes]
        rows += limit_rows(router, [nodes[name] for name in names], s, cluster, policy)
        if router.min_speakers != 0:
            rows += router_rows(router, [nodes[name] for name in names], s, policy, case)
    # A pinned node without a column leaves an empty sum, which is never 1.
    rows += [Row(ones([x[name]] if name in x else []), lower=1) for name in policy.nodes.pin]
    goals = goal_sums(cluster, policy, nodes, x, s)
    if policy.max_moves is not None:
        moves = goals["moves"]
        rows.append(Row(moves, upper=policy.max_moves))
    return PlainModel(
        len(x) + len(s),
        tuple(rows),
        tuple((goal, goals[goal]) for goal in policy.goals),
        tuple(x.items()),
        tuple((Session(*pair), column) for pair, column in s.items()),
    )


def speaker_rows(node: Node, speaker: int, sessions: Columns, cluster: Cluster, policy: Policy) -> list[Row]:
    """Sessions belong to speakers, under all-attached all of them; a speaker has one, and room for all that it has."""
    if policy.peering == "all-attached":
        return [Row(Sum((session, speaker), (1, -1)), lower=0, upper=0) for session in sessions]
    rows = [Row(Sum((session, speaker), (1, -1)), upper=0) for session in sessions]
    rows.append(Row(Sum((*sessions, speaker), (*[1] * len(sessions), -1)), lower=0))
    room = session_room(node, len(sessions), cluster, policy)
    if room < len(sessions):
        rows.append(Row(Sum((*sessions, speaker), (*[1] * len(sessions), -room)), upper=0))
    return rows


def session_room(node: Node, degree: int, cluster: Cluster, policy: Policy) -> int:
    """For how many of its `degree` sessions an eligible node has room."""
    return next(number for number in range(degree, -1, -1) if not any(overload(node, number, policy, cluster)))


def router_rows(
    router: Router, nodes: list[Node], s: dict[tuple[str, str], int], policy: Policy, case: Index
) -> list[Row]:
    """Redundancy, survival of each domain that the router is not in, and coverage of each rack."""
    held = [s[node.name, router.name] for node in nodes]
    rows = [Row(ones(held), lower=max(policy.speakers_per_router, router.min_speakers or 0))]
    for rule in policy.survive:
        inside: dict[str | None, int] = {node.domains.get(rule.kind): 0 for node in nodes}
        failing = set(case.values.get(rule.kind, ())) - {router.domains.get(rule.kind)}
        for domain in sorted(failing & inside.keys()):
            left = [column for node, column in zip(nodes, held, strict=True) if node.domains.get(rule.kind) != domain]
            rows.append(Row(ones(left), lower=rule.survivors))
        if failing - inside.keys():
            rows.append(Row(ones(held), lower=rule.survivors))
    for rack in sorted({case.racks[node.name] for node in nodes} if case.racks else ()):
        own = [column for node, column in zip(nodes, held, strict=True) if case.racks[node.name] == rack]
        rows.append(Row(ones(own), lower=min(len(own), policy.speakers_per_router)))
    return rows


def limit_rows(
    router: Router, nodes: list[Node], s: dict[tuple[str, str], int], cluster: Cluster, policy: Policy
) -> list[Row]:
    """The limit, also of old and new sessions together."""
    held, rows = [s[node.name, router.name] for node in nodes], list[Row]()
    if router.max_sessions is not None:
        rows.append(Row(ones(held), upper=router.max_sessions))
        today = set(cluster.today.sessions.get(router.name, ()))
        if today and not policy.allow_break:
            new = [column for node, column in zip(nodes, held, strict=True) if node.name not in today]
            rows.append(Row(ones(new), upper=max(0, router.max_sessions - len(today))))
    return rows


def goal_sums(
    cluster: Cluster, policy: Policy, nodes: dict[str, Node], x: dict[str, int], s: dict[tuple[str, str], int]
) -> dict[str, Sum]:
    """Every goal as a sum."""
    running = set(cluster.today.speakers)
    held = {(name, router) for router, names in cluster.today.sessions.items() for name in names}
    columns = list(x.values())
    changed: list[tuple[int, int]] = []
    for pair, column in s.items():
        if pair[0] in running:
            # A session of today is closed where the speaker stays without it; any other one is opened.
            changed += [(x[pair[0]], 1), (column, -1)] if pair in held else [(column, 1)]
    factors: dict[int, int] = {}
    for column, factor in changed:
        factors[column] = factors.get(column, 0) + factor
    return {
        "sessions": ones(list(s.values())),
        "speakers": ones(columns),
        "moves": Sum(columns, [-1 if name in running else 1 for name in x], len(running & x.keys())),
        "sessionMoves": Sum(list(factors), list(factors.values())),
        "cost": Sum(columns, [node_cost(nodes[name], policy) for name in x]),
    }
