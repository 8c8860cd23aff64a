"""The best values of a cluster by one plain model: a variable for each node and for each session, nothing reduced.

No classes and no components. Of use up to some thirty nodes. What a node may do is judged as by the brute force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from ortools.sat.python import cp_model

from optimizer.model import Cluster, Policy, Survive
from tests.search.brute_force import (
    Problem,
    attached,
    configured_today,
    goal_names,
    missing_today,
    node_cost,
    problem_of,
    working,
)
from tests.search.brute_nodes import fits
from tests.search.lacking import domains, is_short, racks_at

Expression = cp_model.LinearExpr
MOST = 1000
"""More than anything that can be missing."""


class Ask(Struct, frozen=True):
    """What a router asks for, given the speakers (by node) that it may have; in layer 2 the mode stands for it. `racks`
    are those to cover, each with the nodes that could."""

    name: str
    needed: int
    domains: Mapping[str, str]
    survive: tuple[Survive, ...]
    held: Mapping[str, Expression]
    racks: Mapping[str, list[str]] = {}


def least_values(cluster: Cluster, policy: Policy) -> tuple[int, ...] | None:
    """The lexicographically least values of the goals, None where no placement holds."""
    problem = problem_of(cluster, policy)
    eligible = {node.name: node for node in problem.eligible}
    if not set(policy.nodes.pin) <= eligible.keys():
        return None
    if policy.mode != "bgp" and len({tuple(attached(cluster, name)) for name in eligible} - {()}) > 1:
        return None
    model = cp_model.CpModel()
    x = {node.name: model.new_bool_var("") for node in problem.eligible + problem.kept}
    s = sessions(model, problem, x)
    for name in policy.nodes.pin:
        model.add(x[name] == 1)
    limits(model, problem, s)
    moves = total(1 - x[name] if name in working(cluster) else x[name] for name in eligible)
    if policy.max_moves is not None:
        model.add(moves - total(x[name] for name in eligible if name in cluster.today.broken) <= policy.max_moves)
    lacking = {
        (ask.name, rule): slack for ask in asks(problem, x, s) for rule, slack in lack(model, problem, ask).items()
    }
    before = missing_today(problem) if policy.best_effort else {}
    worse = []
    for rule, slack in lacking.items():
        worse.append(model.new_int_var(0, MOST, ""))
        model.add(worse[-1] >= slack - before.get(rule, 0))
    staying = [name for name in x if name in working(cluster)]
    goals = {
        "worsened": total(worse),
        "shortfall": total(slack for (_, rule), slack in lacking.items() if is_short(rule)),
        "exposure": total(slack for (_, rule), slack in lacking.items() if not is_short(rule)),
        "retained": total(x[node.name] for node in problem.kept),
        "sessions": total(s.values()),
        "speakers": total(x.values()),
        "moves": moves,
        "sessionMoves": total(
            x[name] - s.get((name, router), 0) if (name, router) in problem.today else s.get((name, router), 0)
            for name in staying
            for router in attached(cluster, name)
        ),
        "cost": total(node_cost(node, problem) * x[node.name] for node in problem.eligible + problem.kept),
    }
    return solved(model, [goals[name] for name in goal_names(policy)])


def solved(model: cp_model.CpModel, goals: list[Expression]) -> tuple[int, ...] | None:
    """The least values, one goal after another: each is kept before the next is made small."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    values: list[int] = []
    for goal in goals:
        model.minimize(goal)
        status = solver.solve(model)
        if status == cp_model.INFEASIBLE and not values:
            return None
        assert status == cp_model.OPTIMAL
        values.append(round(solver.objective_value))
        model.add(goal == values[-1])
    return tuple(values)


def sessions(
    model: cp_model.CpModel, problem: Problem, x: Mapping[str, cp_model.IntVar]
) -> dict[tuple[str, str], Expression]:
    """A session for each attachment: the speaker's under all-attached, else chosen, as far as there is room."""
    cluster, policy = problem.cluster, problem.policy
    s: dict[tuple[str, str], Expression] = {}
    for node in problem.eligible + problem.kept if policy.mode == "bgp" else ():
        routers, name = attached(cluster, node.name), node.name
        if policy.peering == "all-attached":
            s |= {(name, router): x[name] for router in routers}
            continue
        if node in problem.kept:
            routers = [router for router in routers if (name, router) in problem.today]
            room = len(routers)
        else:
            room = max(number for number in range(len(routers) + 1) if fits(cluster, policy, node, number))
        here: dict[tuple[str, str], Expression] = {(name, router): model.new_bool_var("") for router in routers}
        for chosen in here.values():
            model.add(chosen <= x[name])
        model.add(total(here.values()) >= x[name])
        model.add(total(here.values()) <= room)
        s |= here
    return s


def limits(model: cp_model.CpModel, problem: Problem, s: Mapping[tuple[str, str], Expression]) -> None:
    """Routers keep their limits, after the change and during it."""
    for router in problem.cluster.routers:
        if router.max_sessions is not None:
            here = {pair: chosen for pair, chosen in s.items() if pair[1] == router.name}
            model.add(total(here.values()) <= router.max_sessions)
            if not problem.policy.allow_break:
                today = configured_today(problem.cluster)
                opened = [chosen for pair, chosen in here.items() if pair not in today]
                now = len([pair for pair in today if pair[1] == router.name])
                model.add(total(opened) <= max(0, router.max_sessions - now))


def asks(problem: Problem, x: Mapping[str, Expression], s: Mapping[tuple[str, str], Expression]) -> Iterable[Ask]:
    """What every router asks for; in layer 2 one for the whole, whose speakers are in domains apart."""
    policy, needed = problem.policy, problem.policy.speakers_per_router
    if policy.mode == "bgp":
        for router in problem.cluster.routers:
            if router.min_speakers == 0:
                continue
            held = {name: chosen for (name, to), chosen in s.items() if to == router.name}
            racks = racks_at(problem.cluster, policy, problem.could[router.name])
            yield Ask(router.name, max(needed, router.min_speakers or 0), router.domains, policy.survive, held, racks)
        return
    survive = tuple(Survive(rule.kind, max(rule.survivors, needed - 1)) for rule in policy.survive)
    if not survive:
        pairs = {pair for node in problem.eligible for pair in node.domains.items()}
        kinds = sorted(kind for kind, _ in pairs)
        survive = tuple(Survive(kind, needed - 1) for kind in sorted(set(kinds)) if kinds.count(kind) >= needed)
    yield Ask(policy.mode, needed, {}, survive, x)


def lack(model: cp_model.CpModel, problem: Problem, ask: Ask) -> dict[str, cp_model.IntVar]:
    """How much each rule is missed by, at worst: redundancy, survival by kind, coverage by rack."""
    cluster = problem.cluster
    most = MOST if problem.policy.best_effort else 0
    survival = [f"survival of {rule.kind}" for rule in ask.survive]
    racks = [f"{what} of {rack}" for rack in ask.racks for what in ("announcement", "coverage")]
    rules = ["redundancy", *survival, *racks]
    missed = {rule: model.new_int_var(0, most, "") for rule in rules}
    model.add(total(ask.held.values()) + missed["redundancy"] >= ask.needed)
    for rack, could in ask.racks.items():
        least = min(problem.policy.speakers_per_router, len(could))
        here = total(ask.held[name] for name in could)
        model.add(here + missed[f"announcement of {rack}"] >= 1)
        model.add(here + missed[f"coverage of {rack}"] >= least)
    where = {node.name: node.domains for node in cluster.nodes}
    for rule in ask.survive:
        for value in domains(cluster, rule.kind):
            if ask.domains.get(rule.kind) != value:
                left = [chosen for name, chosen in ask.held.items() if where[name].get(rule.kind) != value]
                model.add(total(left) + missed[f"survival of {rule.kind}"] >= rule.survivors)
    return missed


def total(terms: Iterable[Expression | int]) -> Expression:
    """The sum."""
    return cp_model.LinearExpr.sum(list(terms))
