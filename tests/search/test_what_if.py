"""A part of a cluster reduces to the components that the whole reduces to."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.model import Cluster, Node, Policy, Router, Survive
from optimizer.search.problem import Component
from optimizer.search.reduce import reduce
from optimizer.search.what_if import parts_concerned
from tests.builders import cluster_of, dual_tor
from tests.instances import problems
from tests.search.large_instances import large_problems


def around(cluster: Cluster, policy: Policy, granted: set[str], routers: set[str]) -> list[Component]:
    """The components of some routers where some nodes are granted."""
    parts = reduce(cluster, policy, granted).components
    return [part for part in parts if routers & {router.name for router in part.routers}]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(("bgp", "bgp", "vip")) | large_problems(), st.data())
def test_components_are_those_of_the_whole(problem: tuple[Cluster, Policy], data: st.DataObject) -> None:
    cluster, policy = problem
    granted = data.draw(st.sets(st.sampled_from([node.name for node in cluster.nodes]), min_size=1, max_size=3))
    routers = {name for name, attached in cluster.attachments.items() if granted & set(attached)} | {policy.mode}
    part = parts_concerned(cluster, reduce(cluster, policy))(granted)
    assert around(part, policy, granted, routers) == around(cluster, policy, granted, routers)


def test_a_domain_elsewhere_still_counts() -> None:
    # Router a is in zone x with its nodes; that there is a zone y at all is known from b's nodes only.
    nodes = [Node("n1", domains={"zone": "x"}), Node("n2", unschedulable=True, domains={"zone": "y"})]
    cluster = cluster_of({"a": ["n1"], "b": ["n2"]}, nodes, [Router("a", domains={"zone": "x"})])
    policy = Policy(survive=(Survive("zone"),))
    part = parts_concerned(cluster, reduce(cluster, policy))({"n1"})
    assert [node.name for node in part.nodes] == ["n1", "n2"]
    assert around(part, policy, {"n1"}, {"a"})[0].routers[0].elsewhere == ("zone",)


def test_one_rack_of_many_is_small() -> None:
    cluster, policy = dual_tor(racks=50, size=10), Policy(survive=(Survive("rack"), Survive("chassis")))
    part = parts_concerned(cluster, reduce(cluster, policy))({"node-0007-003"})
    assert len(part.nodes) <= 10 + 2
    assert [router.name for router in part.routers] == ["tor-0007-a", "tor-0007-b"]
