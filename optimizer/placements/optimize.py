"""The main job: a cluster and a policy in, a verified placement out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from msgspec import structs

from ..checks.placement import check_placement
from ..errors import InputError, InternalError
from ..findings import Finding
from ..inputs.admission import may_evict
from ..model import Cluster, Count, Node, Objective, Placement, Policy, Session, Shortfall, Today
from ..plan.budget import required
from ..plan.hazards import hazards
from ..plan.order import check_label
from ..progress import Tell, silent
from ..search import coverage, graph
from ..search.eligibility import short_nodes
from ..search.goals import goal_names
from ..search.problem import Answer, Component, Problem
from ..search.reduce import expand, reduce
from ..search.rules import shortfalls
from ..search.solve import solve
from ..speakers import product_named
from ..words import are, listed, nearest, plural
from . import broken_speakers
from .hand_label import hand_labels


def optimize(cluster: Cluster, policy: Policy, progress: Tell = silent) -> Placement:
    """The placement with the least goals, in order, that keeps every rule; proved, or with the gap that is left.

    Raises InputError, NoAnswerError, and InternalError where the independent check disagrees.
    """
    return with_reasons(cluster, policy, *best(cluster, policy, progress))


def with_reasons(cluster: Cluster, policy: Policy, problem: Problem, placement: Placement) -> Placement:
    """The placement with the reasons for which working speakers stop while ones are chosen that do not work."""
    if placement.status == "infeasible":
        return placement
    told = broken_speakers.findings(cluster, policy, placement, problem.causes, lambda *given: place(*given)[1])
    return structs.replace(placement, warnings=(*placement.warnings, *told))


def best(cluster: Cluster, policy: Policy, progress: Tell = silent) -> tuple[Problem, Placement]:
    """The best placement, checked, and the problem that it solves. Raises what `optimize` raises."""
    check_names(cluster, policy)
    check_label(cluster, policy)
    if policy.mode == "bgp" and not cluster.routers:
        raise InputError(no_router(cluster))
    problem, placement = place(cluster, policy, progress)
    progress("verifying")
    violations = check_placement(cluster, policy, placement)
    if violations:
        raise InternalError(f"the placement fails its own check: {'; '.join(violations[:3])}")
    return problem, placement


def place(cluster: Cluster, policy: Policy, progress: Tell = silent) -> tuple[Problem, Placement]:
    """The best placement before it is checked, and the problem that it solves. Raises NoAnswerError."""
    progress("reducing")
    problem = reduce(cluster, policy)
    progress(f"solving {len(problem.components)} components")
    pinned_out = any(name in problem.causes for name in policy.nodes.pin)
    answers: list[tuple[Component, Answer]] = []
    infeasible: list[Component] = []
    if not problem.refusal:
        answers = solve(problem, progress)
        infeasible = [component for component, answer in answers if answer.solution is None]
    if not (problem.refusal or infeasible or pinned_out):
        return problem, build(cluster, problem, answers, objectives(policy, answers))
    # Imported here, as explaining takes CP-SAT, which takes long to import.
    from ..search.diagnose import diagnose

    progress("looking for the conflicting rules")
    placement = build(cluster, problem, [], ())
    found = diagnose(cluster, problem, infeasible)
    return problem, structs.replace(placement, status="infeasible", diagnosis=found)


def no_router(cluster: Cluster) -> str:
    """Why there is no router."""
    out = ("peer-address", "peer-invalid", "peer-admin-down")
    found = [each.sentence for each in cluster.warnings if each.rule in out]
    if found:
        more = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
        return f"{found[0]}{more}; no router is left"
    kind = product_named(cluster.product).kinds[0].name
    return f"no router: the input has no {kind}, and no --topology names any"


def check_names(cluster: Cluster, policy: Policy) -> None:
    """Raise InputError for a pinned or banned node that the input does not have."""
    known = {node.name for node in cluster.nodes}
    for what, names in (("pin", policy.nodes.pin), ("ban", policy.nodes.ban)):
        for name in names:
            if name not in known:
                raise InputError(f"{what}: there is no node {name!r}; {nearest(name, known)}")


def objectives(policy: Policy, answers: Sequence[tuple[Component, Answer]]) -> tuple[Objective, ...]:
    """The goals of the whole: values and bounds of all components added up."""
    values: Counter[str] = Counter()
    bounds: Counter[str] = Counter()
    for _, answer in answers:
        for goal in answer.objectives:
            values[goal.name] += goal.value
            bounds[goal.name] += goal.bound
    return tuple(Objective(name, values[name], bounds[name]) for name in goal_names(policy))


def build(
    cluster: Cluster,
    problem: Problem,
    answers: Sequence[tuple[Component, Answer]],
    goals: tuple[Objective, ...],
) -> Placement:
    """The placement that the answers stand for, with all that is reported along with it."""
    speakers: list[str] = []
    sessions: list[Session] = []
    missed: list[Shortfall] = []
    for component, answer in answers:
        if answer.solution is not None:
            chosen, held = expand(component, answer.solution)
            speakers += chosen
            sessions += held
            # Only best effort may miss a rule.
            found = shortfalls(component, problem.survive, answer.solution) if problem.policy.best_effort else ()
            missed += [Shortfall(rule.router, rule.name, number) for rule, number in found]
    in_bgp = problem.policy.mode == "bgp"
    if not in_bgp:
        sessions = []
    placement = Placement(
        status="optimal" if all(goal.value == goal.bound for goal in goals) else "feasible",
        objectives=goals,
        speakers=tuple(sorted(speakers)),
        sessions=tuple(sorted(sessions)),
        today=count(cluster.today),
        eligible=len(cluster.nodes) - len(problem.causes),
        ineligible=causes(problem),
        shortfalls=tuple(sorted(missed, key=lambda each: (each.router, each.rule))),
        product=cluster.product,
        warnings=(
            *cluster.warnings,
            *hand_labels(cluster, problem),
            *short_today(cluster, problem.policy),
            *priority_warnings(cluster, problem),
            *nothing_asked(cluster, problem.policy),
            *topology_warnings(cluster, problem),
            *domain_warnings(problem),
            *coverage.warnings(cluster, problem),
        ),
    )
    staying = [name for name in placement.speakers if name in problem.causes]
    if staying:
        told = (
            f"speakers stay on {plural(len(staying), 'node')} that {are(len(staying))} not eligible, such as "
            f"{staying[0]} ({', '.join(problem.causes[staying[0]])}), because nothing can replace them; on a full node "
            "a restart, such as for a change of the DaemonSet's template, could end one"
        )
        placement = structs.replace(placement, warnings=(*placement.warnings, Finding("speaker-retained", told)))
    return structs.replace(
        placement,
        paths=product_named(cluster.product).paths(cluster, placement) if in_bgp else (),
        hazards=(
            *hazards(cluster, problem.policy, placement),
            *(coverage.hazards(cluster, problem, placement.sessions) if answers else ()),
        ),
    )


def count(today: Today) -> Count:
    """Today's speakers and sessions, and what is known of them."""
    sessions, up, down = (sum(map(len, found.values())) for found in (today.sessions, today.up, today.down))
    return Count(len(today.speakers), sessions, len(today.working), up, down)


def short_today(cluster: Cluster, policy: Policy) -> list[Finding]:
    """The routers that have fewer sessions today than they ask for, where any speaker runs at all."""
    if policy.mode != "bgp" or not cluster.today.speakers:
        return []
    held = cluster.today.held
    numbers = ((router.name, len(held.get(router.name, ())), required(router, policy)) for router in cluster.routers)
    short = [f"{name} ({number} of {least})" for name, number, least in numbers if number < least]
    if not short:
        return []
    have = "has" if len(short) == 1 else "have"
    told = f"{plural(len(short), 'router')} {have} fewer sessions today than asked for: {listed(short, 3)}"
    return [Finding("router-short-today", told, f"router {short[0].partition(' (')[0]}" if len(short) == 1 else "")]


def priority_warnings(cluster: Cluster, problem: Problem) -> list[Finding]:
    """Full nodes, where a speaker has a priority: the scheduler could make room for it."""
    speaker = cluster.speaker
    if speaker is None or not may_evict(speaker):
        return []
    full = short_nodes(cluster, problem.policy, problem.causes)
    if not full:
        return []
    place = f"DaemonSet {speaker.namespace}/{speaker.name}"
    told = (
        f"{place}: its pods have a priority, so the scheduler could evict others for a speaker where "
        f"there is no room, on {listed(full, 1)}; full nodes count as full all the same"
    )
    return [Finding("priority-not-modelled", told, place)]


def nothing_asked(cluster: Cluster, policy: Policy) -> list[Finding]:
    """The routers that ask for nothing, and so may lose the sessions that they have."""
    if policy.mode != "bgp":
        return []
    held = cluster.today.held
    idle = [router.name for router in cluster.routers if router.min_speakers == 0 and held.get(router.name)]
    if not idle:
        return []
    number = sum(len(held[name]) for name in idle)
    told = (
        f"{plural(len(idle), 'router')} with minSpeakers: 0, such as {idle[0]}, {'asks' if len(idle) == 1 else 'ask'} "
        f"for no session: {plural(number, 'session')} of today may close"
    )
    return [Finding("router-asks-nothing", told, f"router {idle[0]}" if len(idle) == 1 else "")]


def domain_warnings(problem: Problem) -> list[Finding]:
    """Candidates that no failure of a protected kind seems to hit, because their domain is not known."""
    classes = [each for part in problem.components for each in part.classes if not each.traits.retained]
    number, found = sum(len(each.names) for each in classes), []
    for rule in problem.survive:
        unknown = [each.names for each in classes if rule.kind not in dict(each.traits.domains)]
        if unknown:
            alone = sum(map(len, unknown))
            told = (
                f"{alone} of {plural(number, 'eligible node')} {are(alone)} in no known {rule.kind}, such as "
                f"{min(unknown)[0]}: assumed to survive the failure of any {rule.kind}"
            )
            found.append(Finding("domain-unknown", told))
    return found


def causes(problem: Problem) -> dict[str, int]:
    """How many nodes are no candidates, by their first cause, the most frequent first."""
    numbers = Counter(found[0] for found in problem.causes.values())
    return dict(sorted(numbers.items(), key=lambda cause: (-cause[1], cause[0])))


def topology_warnings(cluster: Cluster, problem: Problem) -> list[Finding]:
    """What the shape of the topology says, over the candidates."""
    if problem.policy.mode != "bgp":
        return []
    nodes = {node.name: node for node in cluster.nodes}
    attached: dict[tuple[str, ...], list[Node]] = {}
    for component in problem.components:
        for each in component.classes:
            if not each.traits.retained:
                attached.setdefault(each.traits.routers, []).extend(map(nodes.__getitem__, each.names))
    return graph.warnings(
        [graph.EquallyAttached(routers, found) for routers, found in attached.items()],
        {router.name: router.domains for router in cluster.routers if router.min_speakers != 0},
        # All kinds count here, also those that no rule protects.
        sorted(set(chain.from_iterable(node.domains for node in cluster.nodes))),
    )
