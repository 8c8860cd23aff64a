"""Why there is no placement: the rules that conflict, the facts behind them, and the smallest change that helps."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import islice

from msgspec import Struct, structs

from ..kube.troubles import LASTING
from ..model import Cluster, Conflict
from ..words import listed, plural, rack_named
from .clock import Clock
from .conflict import conflict, least_relief, satisfiable
from .eligibility import CONTROL_PLANE_LABELS
from .problem import Component, Problem, RouterNeed, shape
from .reduce import reduce
from .rules import Rule, soft_rules
from .what_if import parts_concerned

EASE = (
    "cordoned",
    "banned",
    "excluded",
    "not selected",
    "taint",
    "room",
    "short",
    "full",
    "host port",
    "under",
    "without a network",
    "not Ready",
    "without a place",
)
"""Causes that an operator can lift, the easiest first, by their first words."""

TRIES = 20

SHOWN = 5
"""Racks that a count lists."""


class Clash(Struct, frozen=True):
    """A conflict within a component: its rules, and those that are set aside to look for further conflicts."""

    rules: tuple[Rule, ...]
    aside: tuple[Rule, ...]


def diagnose(cluster: Cluster, problem: Problem, infeasible: Sequence[Component]) -> tuple[Conflict, ...]:
    """All conflicts of the components that have no placement, and of pinned nodes that are no candidates."""
    if problem.refusal:
        routers = tuple(router.name for router in cluster.routers)
        return (
            Conflict(routers, (f"mode {problem.policy.mode}",), (problem.refusal,), "use mode bgp for this cluster"),
        )
    found = [
        Conflict(
            routers=(),
            rules=(f"{name} is pinned",),
            counts=(f"{name}: {', '.join(problem.causes[name])}",),
            change=f"unpin {name}, or remove what keeps it from running a speaker",
        )
        for name in problem.policy.nodes.pin
        if name in problem.causes
    ]
    clock = Clock(problem.policy.time_limit)
    known: dict[object, tuple[Component, list[Clash]]] = {}
    parts: list[tuple[Component, list[Clash]]] = []
    for component in infeasible:
        key = shape(component)
        if key not in known:
            known[key] = component, clashes(component, problem, clock)
        model, clash_list = known[key]
        parts.append((component, [renamed(clash, model, component) for clash in clash_list]))
    aside = {rule for _, found_here in parts for clash in found_here for rule in clash.aside}
    part_concerned = parts_concerned(cluster, problem)
    for component, found_here in parts:
        found += in_words(cluster, problem, component, found_here, aside, part_concerned, clock)
    return tuple(found)


def clashes(component: Component, problem: Problem, clock: Clock) -> list[Clash]:
    """Conflicts, one after another: each found with a rule of every earlier one set aside.

    The budget of moves is set aside as such, so that a conflict with it is reported once and not for every router. With
    a router's redundancy its survival is set aside too, as it can only follow from it. (Its coverage need not: a limit
    may leave room for what a router asks for, and not for what its racks do.)
    """
    found: list[Clash] = []
    soft = {rule.whole for rule in soft_rules(component, problem.survive)}
    while True:
        dropped = [rule for clash in found for rule in clash.aside]
        rules = conflict(component, problem.policy, problem.survive, dropped, clock)
        if not rules:
            return found
        first = min(rules, key=lambda rule: (rule.kind != "moves", rule.kind != "redundancy", rule not in soft, rule))
        follows = [rule for rule in soft if rule.router == first.router and rule.kind == "survival"]
        found.append(Clash(tuple(rules), tuple({first, *(follows if first.kind == "redundancy" else ())})))


def renamed(clash: Clash, model: Component, component: Component) -> Clash:
    """The same conflict in a component of the same shape. (Rules of coverage are of all racks of a router.)"""
    names = {old.name: new.name for old, new in zip(model.routers, component.routers, strict=True)}

    def rename(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(structs.replace(rule, router=names.get(rule.router, "")) for rule in rules)

    return Clash(rename(clash.rules), rename(clash.aside))


def in_words(
    cluster: Cluster,
    problem: Problem,
    component: Component,
    found: Sequence[Clash],
    aside: Collection[Rule],
    part_concerned: Callable[[Collection[str]], Cluster],
    clock: Clock,
) -> list[Conflict]:
    """The conflicts of a component in words; `aside` are the rules set aside for any conflict at all."""
    if not found:
        names = tuple(router.name for router in component.routers)
        return [Conflict(names, (), (), "unknown: the time limit ended before the conflicting rules were found")]
    return [
        Conflict(
            routers=tuple(sorted({rule.router for rule in clash.rules if rule.router})),
            rules=tuple(rule.sentence() for rule in clash.rules),
            counts=tuple(counts(cluster, problem, component, clash.rules)),
            change=change(cluster, problem, component, clash, aside, part_concerned, clock),
        )
        for clash in found
    ]


def counts(cluster: Cluster, problem: Problem, component: Component, rules: Sequence[Rule]) -> list[str]:
    """The facts behind a conflict: candidates by cause, by domain, sessions against limits, pins."""
    found = []
    for router in sorted({rule.router for rule in rules if is_soft(rule)}):
        found.append(eligible_of_attached(cluster, problem, router))
    needs = {router.name: router for router in component.routers}
    for rule in rules:
        today = len(cluster.today.sessions.get(rule.router, ()))
        if rule.kind == "survival":
            found.append(by_domain(component, rule))
        elif rule.kind == "coverage":
            found.append(by_rack(needs[rule.router]))
        elif rule.kind == "limit":
            found.append(f"{rule.router}: maxSessions {rule.number}")
        elif rule.kind == "change":
            found.append(f"{rule.router}: {today} sessions today, maxSessions {needs[rule.router].limit}")
        elif rule.kind == "pins":
            pinned = [name for each in component.classes if each.traits.pinned for name in each.names]
            found.append(f"pinned: {', '.join(sorted(pinned)[:5])}{' ...' if len(pinned) > 5 else ''}")
        elif rule.kind == "capacity":
            tight = [each for each in component.classes if each.traits.capacity < len(each.traits.routers)]
            size = sum(len(each.names) for each in tight)
            found.append(f"{size} nodes have room for fewer sessions than routers, such as {tight[0].names[0]}")
    return found


def attached_nodes(cluster: Cluster, problem: Problem, router: str) -> Sequence[str]:
    """The nodes attached to a router; in layer 2 and VIP mode all nodes are in the one network."""
    if problem.policy.mode != "bgp":
        return [node.name for node in cluster.nodes]
    return cluster.attachments[router]


def eligible_of_attached(cluster: Cluster, problem: Problem, router: str) -> str:
    """`leaf-7: 1 eligible of 40 attached: 31 cordoned, 8 short of 100m CPU`."""
    attached = attached_nodes(cluster, problem, router)
    causes = Counter(problem.causes[name][0] for name in attached if name in problem.causes)
    why = ", ".join(f"{number} {cause}" for cause, number in sorted(causes.items(), key=lambda c: (-c[1], c[0])))
    summary = f"{router}: {len(attached) - sum(causes.values())} eligible of {len(attached)} attached"
    return f"{summary}: {why}" if why else summary


def by_domain(component: Component, rule: Rule) -> str:
    """`leaf-7: eligible nodes by zone: a 4, b 1`."""
    numbers: Counter[str] = Counter()
    for each in component.classes:
        if rule.router in each.traits.routers:
            numbers[dict(each.traits.domains).get(rule.domain, "none")] += len(each.names)
    found = ", ".join(f"{value} {number}" for value, number in sorted(numbers.items()))
    return f"{rule.router}: eligible nodes by {rule.domain}: {found or 'none'}"


def by_rack(router: RouterNeed) -> str:
    """`leaf-7: 2 racks need 3 sessions of their own: rack r1 2, rack r2 1`."""
    sessions = sum(number for _, number in router.racks)
    each = listed([f"{rack_named(rack)} {number}" for rack, number in router.racks], SHOWN)
    need = "rack needs" if len(router.racks) == 1 else "racks need"
    return f"{router.name}: {len(router.racks)} {need} {plural(sessions, 'session')} of their own: {each}"


def change(
    cluster: Cluster,
    problem: Problem,
    component: Component,
    clash: Clash,
    aside: Collection[Rule],
    part_concerned: Callable[[Collection[str]], Cluster],
    clock: Clock,
) -> str:
    """The smallest change that would help: the rule that must be relaxed least, all others of the conflict kept."""
    relief = {}
    for rule in clash.rules:
        dropped = set(aside) - set(clash.rules)
        amount = least_relief(component, problem.policy, problem.survive, rule, dropped, clock)
        if amount:
            relief[rule] = amount
    if not relief:
        return "none of these rules alone: several must change together"
    # Of equally small changes, more eligible nodes come first, as no rule gets weaker by them.
    least = min(relief.values())
    smallest = sorted((rule for rule in relief if relief[rule] == least), key=lambda rule: (is_soft(rule), rule))
    for rule in filter(is_soft, smallest):
        if rule.kind == "coverage":
            continue  # a rack with more eligible nodes never asks for less
        nodes = helpful(cluster, problem, rule, least, set(aside) - set(clash.aside), part_concerned, clock)
        if nodes:
            each = ", ".join(f"{name} ({', '.join(problem.causes[name])})" for name in nodes)
            return f"make eligible: {each}{leave_out(problem, component, rule)}"
    return relaxed(smallest[0], least, alone=len(clash.rules) == 1) + leave_out(problem, component, smallest[0])


def is_soft(rule: Rule) -> bool:
    """Whether the rule is about what a router should have, not about what cannot be passed."""
    return rule.kind in ("redundancy", "survival", "coverage")


def leave_out(problem: Problem, component: Component, rule: Rule) -> str:
    """How to leave a router out, where no candidate reaches it at all."""
    if problem.policy.mode != "bgp" or rule.kind != "redundancy":
        return ""
    if any(rule.router in each.traits.routers for each in component.classes):
        return ""
    return f", or leave {rule.router} out with minSpeakers: 0 in the topology file"


def relaxed(rule: Rule, amount: int, alone: bool) -> str:
    """A rule relaxed by an amount, in words. Where it conflicts with nothing but the attachments, more may help."""
    attach = f"attach nodes to {rule.router} for {plural(amount, 'more session')}"
    match rule.kind:
        case "redundancy":
            accept = f"accept {plural(rule.number - amount, 'session')} at {rule.router} with --best-effort"
            return f"{attach}, or {accept}" if alone else accept
        case "survival":
            where = f"from outside its fullest {rule.domain}"
            own = f"where {rule.router} itself is in that {rule.domain}, say so in its domains"
            accept = f"accept it at {rule.router} with --best-effort"
            return f"{attach} {where}, or, {own}, or {accept}" if alone else accept
        case "announcement" | "coverage":
            lack = f"racks that lack {plural(amount, 'session')} of their own at {rule.router}"
            return f"accept {lack} with --best-effort, or any that do with coverage: false in the policy file"
        case "limit":
            return f"raise maxSessions of {rule.router} from {rule.number} to {rule.number + amount}"
        case "change":
            return f"allow a break (--allow-break), or free {amount} of today's sessions of {rule.router} first"
        case "capacity":
            return f"make room for {plural(amount, 'more session')} on these nodes"
        case "pins":
            return f"unpin {amount} of these nodes"
        case "moves":
            return f"raise --max-moves from {rule.number} to {rule.number + amount}"


def lasting(causes: Sequence[str]) -> bool:
    """Whether there are no causes to lift, or one that nobody can: the node is about to go, or is none."""
    return not causes or any(cause.startswith(LASTING) for cause in causes)


def helpful(
    cluster: Cluster,
    problem: Problem,
    rule: Rule,
    amount: int,
    dropped: Collection[Rule],
    part_concerned: Callable[[Collection[str]], Cluster],
    clock: Clock,
) -> list[str]:
    """`amount` nodes of the router, the easiest to win first, that are shown to solve the conflict once eligible; the
    control plane comes last."""

    def ease(name: str) -> tuple[bool, int, str]:
        """Whether it is of the control plane, and how hard the hardest of its causes is to lift."""
        node = cluster.nodes[bisect_left(cluster.nodes, name, key=lambda each: each.name)]
        hardest = max(
            next((i for i, start in enumerate(EASE) if c.startswith(start)), len(EASE)) for c in problem.causes[name]
        )
        return any(label in node.labels for label in CONTROL_PLANE_LABELS), hardest, name

    attached = attached_nodes(cluster, problem, rule.router)
    lost = sorted((name for name in attached if not lasting(problem.causes.get(name, ()))), key=ease)
    for start in islice(range(len(lost) - amount + 1), TRIES):
        if clock.over:
            break
        nodes = lost[start : start + amount]
        changed = reduce(part_concerned(nodes), problem.policy, granted=set(nodes))
        part = next(each for each in changed.components if any(need.name == rule.router for need in each.routers))
        if not changed.refusal and satisfiable(part, problem.policy, changed.survive, dropped, clock):
            return nodes
    return []
