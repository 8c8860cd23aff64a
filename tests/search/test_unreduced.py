"""The reduction keeps the optimum: the values are those of a model in which nothing is reduced, names do not matter,
and two clusters side by side take twice what one takes."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import assume, given, settings
from msgspec.structs import replace

from optimizer.model import Cluster, Placement, Policy, Today
from optimizer.placements.optimize import optimize
from tests.search.large_instances import large_problems
from tests.search.unreduced import least_values


def values(placement: Placement) -> tuple[int, ...] | None:
    """What a proved placement reaches, None where there is none."""
    assert placement.status != "feasible"
    return tuple(goal.value for goal in placement.objectives) if placement.status == "optimal" else None


@settings(max_examples=200, deadline=None)
@given(large_problems())
def test_values_are_those_of_the_unreduced_model(problem: tuple[Cluster, Policy]) -> None:
    cluster, policy = problem
    # That the placement which the classes expand to holds is checked by `optimize` itself.
    assert values(optimize(cluster, policy)) == least_values(cluster, policy)


@settings(max_examples=100, deadline=None)
@given(large_problems())
def test_names_do_not_matter(problem: tuple[Cluster, Policy]) -> None:
    cluster, policy = problem
    assume(not any(term.match_fields for term in (cluster.speaker and cluster.speaker.affinity) or ()))
    # The other way round, so that other nodes and routers come first.
    name = {each: f"m{99 - number}" for number, each in enumerate(names_of(cluster))}
    rules = policy.nodes
    assert values(optimize(cluster, policy)) == values(
        optimize(
            renamed(cluster, name),
            replace(
                policy,
                nodes=replace(
                    rules, pin=tuple(name[each] for each in rules.pin), ban=tuple(name[each] for each in rules.ban)
                ),
            ),
        )
    )


@settings(max_examples=100, deadline=None)
@given(large_problems())
def test_two_clusters_side_by_side_take_twice_as_much(problem: tuple[Cluster, Policy]) -> None:
    cluster, policy = problem
    assume(policy.mode == "bgp" and policy.max_moves is None)
    # A term that names nodes names none of the twins.
    assume(not any(term.match_fields for term in (cluster.speaker and cluster.speaker.affinity) or ()))
    rules, twin = policy.nodes, renamed(cluster, {name: f"{name}-twin" for name in names_of(cluster)})
    both = replace(
        cluster,
        nodes=tuple(sorted(cluster.nodes + twin.nodes, key=lambda each: each.name)),
        routers=tuple(sorted(cluster.routers + twin.routers, key=lambda each: each.name)),
        attachments={**cluster.attachments, **twin.attachments},
        today=Today(
            tuple(sorted(cluster.today.speakers + twin.today.speakers)),
            {**cluster.today.sessions, **twin.today.sessions},
            {**cluster.today.up, **twin.today.up},
            {**cluster.today.down, **twin.today.down},
            {**cluster.today.broken, **twin.today.broken},
            {**cluster.today.refused, **twin.today.refused},
        ),
    )
    pin, ban = ((*some, *(f"{name}-twin" for name in some)) for some in (rules.pin, rules.ban))
    once = values(optimize(cluster, policy))
    twice = values(optimize(both, replace(policy, nodes=replace(rules, pin=pin, ban=ban))))
    assert twice == (once and tuple(2 * value for value in once))


def names_of(cluster: Cluster) -> list[str]:
    """All nodes and routers."""
    return [*(node.name for node in cluster.nodes), *(router.name for router in cluster.routers)]


def renamed(cluster: Cluster, name: dict[str, str]) -> Cluster:
    """The cluster with other names for nodes and routers, but the same labels, host names among them."""

    def all_of(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(name[each] for each in names))

    def by_router(found: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return dict(sorted((name[to], all_of(nodes)) for to, nodes in found.items()))

    def by_node(found: Mapping[str, str]) -> dict[str, str]:
        return {name[each]: why for each, why in found.items()}

    today = cluster.today
    return replace(
        cluster,
        nodes=tuple(
            sorted((replace(each, name=name[each.name]) for each in cluster.nodes), key=lambda each: each.name)
        ),
        routers=tuple(
            sorted((replace(each, name=name[each.name]) for each in cluster.routers), key=lambda each: each.name)
        ),
        attachments=dict(sorted((name[to], all_of(nodes)) for to, nodes in cluster.attachments.items())),
        today=Today(
            all_of(today.speakers),
            by_router(today.sessions),
            by_router(today.up),
            by_router(today.down),
            by_node(today.broken),
            by_node(today.refused),
        ),
    )
