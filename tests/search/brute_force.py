"""The best placement of a tiny cluster, found by trying every one: an oracle that is meant to be obviously right.

It follows the rules in words, shares no code with solver or check, and is of use up to about six nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from msgspec import Struct
from msgspec.structs import replace

from optimizer.kube.selectors import selects
from optimizer.model import (
    Cluster,
    Count,
    Node,
    Objective,
    Placement,
    Policy,
    Session,
    Shortfall,
)
from tests.search.brute_nodes import fits, nothing_forbids
from tests.search.lacking import Could, Missing, all_missing, is_short, worst

Choice = tuple[str, ...] | None
"""The routers of a speaker's sessions, or None for no speaker on the node."""


class Problem(Struct, frozen=True):
    """The input with what does not depend on the placement; `today` are the sessions along attachments.

    `kept` are the nodes that are not eligible but whose running speaker may stay under best effort, `could` those that
    could hold a session with each router.
    """

    cluster: Cluster
    policy: Policy
    eligible: list[Node]
    kept: list[Node]
    today: list[tuple[str, str]]
    could: Could = {}

    def missing(self, speakers: list[str], sessions: list[tuple[str, str]]) -> list[Missing]:
        """Everything that the rules lack."""
        return all_missing(self.cluster, self.policy, self.eligible, self.could, speakers, sessions)


class Found(Struct, frozen=True):
    """A placement with the values of the goals in order; under best effort worsened, shortfall, exposure first."""

    values: tuple[int, ...]
    speakers: tuple[str, ...]
    sessions: tuple[tuple[str, str], ...]
    missing: tuple[Missing, ...]


def best_values(cluster: Cluster, policy: Policy) -> tuple[int, ...] | None:
    """The lexicographically least values of the goals that any placement reaches, None where none holds."""
    return min((found.values for found in every(problem_of(cluster, policy))), default=None)


def best_placement(cluster: Cluster, policy: Policy) -> Placement:
    """A best placement in the form in which the solver gives it."""
    problem = problem_of(cluster, policy)
    found = min(every(problem), key=lambda found: found.values, default=None)
    return as_placement(problem, found) if found else Placement(status="infeasible")


def as_placement(problem: Problem, found: Found) -> Placement:
    """What was found in the form in which the solver gives it."""
    cluster = problem.cluster
    lacking = worst(found.missing if problem.policy.best_effort else ())
    goals = zip(goal_names(problem.policy), found.values, strict=True)
    return Placement(
        status="optimal",
        objectives=tuple(Objective(name, value, value) for name, value in goals),
        speakers=found.speakers,
        sessions=tuple(Session(node, router) for node, router in found.sessions),
        today=Count(
            len(cluster.today.speakers),
            sum(len(nodes) for nodes in cluster.today.sessions.values()),
            len(working(cluster)),
            sum(len(nodes) for nodes in cluster.today.up.values()),
            sum(len(nodes) for nodes in cluster.today.down.values()),
        ),
        eligible=len(problem.eligible),
        ineligible={"not eligible": len(cluster.nodes) - len(problem.eligible)},
        shortfalls=tuple(Shortfall(router, rule, number) for (router, rule), number in sorted(lacking.items())),
    )


def goal_names(policy: Policy) -> list[str]:
    """The goals in the order of the values."""
    goals = [goal for goal in policy.goals if policy.mode == "bgp" or goal not in ("sessions", "sessionMoves")]
    return ["worsened", "shortfall", "exposure", "retained", *goals] if policy.best_effort else [*goals]


def problem_of(cluster: Cluster, policy: Policy) -> Problem:
    """The input with what does not depend on the placement."""
    today = [pair for pair in sessions_today(cluster) if pair[1] in attached(cluster, pair[0])]
    eligible = eligible_nodes(cluster, policy)
    problem = Problem(cluster, policy, eligible, kept_nodes(cluster, policy, eligible, today), today)
    ways = [(node.name, attached(cluster, node.name)) for node in problem.eligible]
    ways += [(node.name, [router for way in stay_options(problem, node) for router in way]) for node in problem.kept]
    could = {router.name: [name for name, routers in ways if router.name in routers] for router in cluster.routers}
    return replace(problem, could=could)


def kept_nodes(cluster: Cluster, policy: Policy, eligible: list[Node], today: list[tuple[str, str]]) -> list[Node]:
    """The nodes that are not eligible only for a cordon or for want of room, and run a speaker that has a session."""
    if not policy.best_effort:
        return []
    return [
        node
        for node in cluster.nodes
        if node not in eligible
        and node.name in working(cluster)
        and nothing_forbids(cluster, policy, replace(node, unschedulable=False))
        and (policy.mode != "bgp" or node.name in [name for name, _ in today])
    ]


def every(problem: Problem) -> Iterator[Found]:
    """All placements that hold."""
    cluster, policy = problem.cluster, problem.policy
    names = [node.name for node in problem.eligible]
    networks = {tuple(attached(cluster, name)) for name in names if attached(cluster, name)}
    if policy.mode != "bgp" and len(networks) > 1:
        return
    if not set(policy.nodes.pin) <= set(names):
        return
    names += [node.name for node in problem.kept]
    choices = [[*options(cluster, policy, node)] for node in problem.eligible]
    choices += [[None, *stay_options(problem, node)] for node in problem.kept]
    for choice in product(*choices):
        speakers = [name for name, routers in zip(names, choice, strict=True) if routers is not None]
        sessions = [(name, router) for name, routers in zip(names, choice, strict=True) for router in routers or ()]
        if limits_hold(cluster, policy, sessions) and budget_holds(problem, speakers):
            found = judge(problem, speakers, sessions)
            if policy.best_effort or not found.missing:
                yield found


def judge(problem: Problem, speakers: list[str], sessions: list[tuple[str, str]]) -> Found:
    """What a placement lacks and the values it reaches."""
    missing = problem.missing(speakers, sessions)
    values = goal_values(problem, speakers, sessions, missing)
    return Found(values, tuple(sorted(speakers)), tuple(sorted(sessions)), tuple(missing))


def options(cluster: Cluster, policy: Policy, node: Node) -> Iterator[Choice]:
    """What can be done with one node on its own: no speaker unless pinned, or a speaker with sessions that fit."""
    if node.name not in policy.nodes.pin:
        yield None
    yield from speaker_options(cluster, policy, node)


def speaker_options(cluster: Cluster, policy: Policy, node: Node) -> Iterator[tuple[str, ...]]:
    """The sets of sessions that a speaker on the node may have."""
    routers = attached(cluster, node.name)
    if policy.mode != "bgp":
        choices: list[tuple[str, ...]] = [()]
    elif not routers:
        choices = []
    elif policy.peering == "all-attached":
        choices = [tuple(routers)]
    else:
        choices = [some for size in range(1, len(routers) + 1) for some in combinations(routers, size)]
    for choice in choices:
        if fits(cluster, policy, node, len(choice)):
            yield choice


def stay_options(problem: Problem, node: Node) -> list[tuple[str, ...]]:
    """How the speaker of a kept node may stay: with what it has, in part, or with all that all-attached asks for."""
    if problem.policy.mode != "bgp":
        return [()]
    if problem.policy.peering == "all-attached":
        return [tuple(attached(problem.cluster, node.name))]
    held = [router for name, router in problem.today if name == node.name]
    return [some for size in range(1, len(held) + 1) for some in combinations(held, size)]


def attached(cluster: Cluster, node: str) -> list[str]:
    """The routers that the node is attached to."""
    return [router.name for router in cluster.routers if node in cluster.attachments.get(router.name, ())]


def eligible_nodes(cluster: Cluster, policy: Policy) -> list[Node]:
    """The nodes that a speaker could be on: nothing forbids it, and at least one way of using it has room."""
    return [
        node
        for node in cluster.nodes
        if nothing_forbids(cluster, policy, node) and any(True for _ in speaker_options(cluster, policy, node))
    ]


def sessions_today(cluster: Cluster) -> list[tuple[str, str]]:
    """Today's sessions that are not down, as (node, router)."""
    down = cluster.today.down
    return [
        (node, router)
        for router, nodes in cluster.today.sessions.items()
        for node in nodes
        if node not in down.get(router, ())
    ]


def configured_today(cluster: Cluster) -> list[tuple[str, str]]:
    """Today's sessions, be they up or down, as (node, router)."""
    return [(node, router) for router, nodes in cluster.today.sessions.items() for node in nodes]


def working(cluster: Cluster) -> list[str]:
    """The nodes with a speaker that works."""
    return [name for name in cluster.today.speakers if name not in cluster.today.broken]


def limits_hold(cluster: Cluster, policy: Policy, sessions: list[tuple[str, str]]) -> bool:
    """Whether every router stays within its limit, after the change and during it."""
    if policy.mode != "bgp":
        return True
    today = configured_today(cluster)
    for router in cluster.routers:
        if router.max_sessions is None:
            continue
        here = [pair for pair in sessions if pair[1] == router.name]
        opened = [pair for pair in here if pair not in today]
        room = router.max_sessions - len([pair for pair in today if pair[1] == router.name])
        if len(here) > router.max_sessions:
            return False
        if opened and len(opened) > room and not policy.allow_break:
            return False
    return True


def budget_holds(problem: Problem, speakers: list[str]) -> bool:
    """Whether few enough speakers start and stop; one that does not work and stays does neither."""
    mended = [node.name for node in problem.eligible if node.name in speakers and node.name in today_broken(problem)]
    most = problem.policy.max_moves
    return most is None or count_moves(problem, speakers) - len(mended) <= most


def today_broken(problem: Problem) -> list[str]:
    """The nodes whose speaker does not work."""
    return [*problem.cluster.today.broken]


def count_moves(problem: Problem, speakers: list[str]) -> int:
    """Speakers that start or stop; one that must stop because its node is not eligible does not count."""
    moves = 0
    for node in problem.eligible:
        if (node.name in speakers) != (node.name in working(problem.cluster)):
            moves += 1
    return moves


def missing_today(problem: Problem) -> dict[tuple[str, str], int]:
    """What the rules lack today, counting nodes that are eligible or may keep their speaker."""
    eligible = [node.name for node in problem.eligible + problem.kept]
    speakers = [name for name in working(problem.cluster) if name in eligible]
    sessions = [pair for pair in problem.today if pair[0] in eligible]
    return worst(problem.missing(speakers, sessions))


def goal_values(
    problem: Problem, speakers: list[str], sessions: list[tuple[str, str]], missing: list[Missing]
) -> tuple[int, ...]:
    """The values of the goals in order."""
    had = missing_today(problem) if problem.policy.best_effort else {}
    staying = [name for name in speakers if name in working(problem.cluster)]
    opened = [pair for pair in sessions if pair not in problem.today]
    closed = [pair for pair in problem.today if pair not in sessions]
    values = {
        "sessions": len(sessions),
        "speakers": len(speakers),
        "moves": count_moves(problem, speakers),
        "sessionMoves": len([pair for pair in opened + closed if pair[0] in staying]),
        "cost": sum(node_cost(node, problem) for node in problem.cluster.nodes if node.name in speakers),
        "retained": len([node for node in problem.kept if node.name in speakers]),
        "worsened": sum(max(0, number - had.get(rule, 0)) for rule, number in worst(missing).items()),
        "shortfall": sum(number for (_, rule), number in worst(missing).items() if is_short(rule)),
        "exposure": sum(number for (_, rule), number in worst(missing).items() if not is_short(rule)),
    }
    return tuple(values[name] for name in goal_names(problem.policy))


def node_cost(node: Node, problem: Problem) -> int:
    """What choosing the node costs."""
    policy = problem.policy
    cost = sum(rule.cost for rule in policy.nodes.cost if selects(rule.selector, node.labels))
    if policy.nodes.prefer and not any(selects(selector, node.labels) for selector in policy.nodes.prefer):
        cost += 1
    if {"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"} & set(node.labels):
        cost += 1
    tenths = [0]
    if node.allocatable and node.allocatable.cpu:
        tenths.append(node.requested.cpu * 10 // node.allocatable.cpu)
    if node.allocatable and node.allocatable.memory:
        tenths.append(node.requested.memory * 10 // node.allocatable.memory)
    if node.name in problem.cluster.today.broken:
        cost += 20
    return cost + min(10, max(tenths))
