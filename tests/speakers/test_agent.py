"""A product whose agent runs on every node and announces itself goes the same way as one that can be restricted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.checks.manifests import check_manifests
from optimizer.inputs.items import readable_kinds
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import parse_topology
from optimizer.kube.changes import Patch, apply_changes
from optimizer.model import Cluster, Policy
from optimizer.placements.optimize import optimize
from optimizer.plan.check import check_end, check_steps
from optimizer.plan.objects import objects_of
from optimizer.plan.plan import make_plan
from optimizer.plan.steps import Flow
from optimizer.plan.template import STYLES, Style
from optimizer.speakers import PRODUCTS
from optimizer.speakers.product import Product
from tests.objects import Object, daemonset, node, pod, read
from tests.speakers.agent import Agent

NODES = ("n1", "n2", "n3", "n4")
TOPOLOGY = {"attachments": [[name, router] for router in ("leaf-1", "leaf-2") for name in NODES]}


def neighbor(name: str, address: str, *nodes: str, asn: int = 65001) -> Object:
    spec = {"address": address, "asn": asn, "nodes": [*nodes]}
    return {"apiVersion": "agent.example.org/v1", "kind": "Neighbor", "metadata": {"name": name}, "spec": spec}


NEIGHBORS = (neighbor("leaf-1", "10.0.0.1", *NODES[:3]), neighbor("leaf-2", "10.0.0.2", *NODES[:3]))
AGENTS = (
    daemonset("agent", "kube-system"),
    *(pod(f"agent-{n}", n, namespace="kube-system", owner="agent") for n in NODES),
)


@pytest.fixture(autouse=True)
def product(monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    made: Product = Agent()
    monkeypatch.setitem(PRODUCTS, made.name, made)
    readable_kinds.cache_clear()
    yield made
    readable_kinds.cache_clear()


def cluster(folder: Path, *objects: Object) -> Cluster:
    found = read(folder, *map(node, NODES), *NEIGHBORS, *objects)
    return with_topology(found, parse_topology(TOPOLOGY, "t"))


@pytest.mark.parametrize("objects", [(), AGENTS])
def test_speakers_are_the_agents_that_have_a_session(tmp_path: Path, objects: tuple[Object, ...]) -> None:
    found = cluster(tmp_path, *objects)
    assert (found.product, found.today.speakers) == ("agent", NODES[:3])
    assert found.today.everywhere("leaf-1")
    assert found.attachments["leaf-1"] == NODES


@pytest.mark.parametrize("objects", [(), AGENTS])
def test_its_objects_alone_bring_the_placement_about(
    tmp_path: Path, objects: tuple[Object, ...], product: Product
) -> None:
    found, policy = cluster(tmp_path, *objects), Policy()
    placement = optimize(found, policy)
    assert (placement.product, placement.status, placement.hazards) == ("agent", "optimal", ())
    assert placement.speakers == ("n1", "n2")
    assert [(each.today, each.proposed) for each in placement.paths] == [(3, 2), (3, 2)]
    edits = product.edit_peers(found, policy, placement, frozenset())
    changes = (*edits.early, *edits.late)
    # No label, no taint, no DaemonSet.
    assert {change.kind for change in changes if isinstance(change, Patch)} == {"Neighbor"}
    assert len(changes) == 2
    after = apply_changes(objects_of(found), changes)
    given = {kind: {key[2]: each for key, each in after.items() if key[0] == kind} for kind in ("Node", "Neighbor")}
    daemonsets = [each for key, each in after.items() if key[0] == "DaemonSet"]
    agents = daemonsets[0] if daemonsets else None
    assert check_manifests(found, policy, placement, given["Node"], agents, [*given["Neighbor"].values()]) == ()
    before = [*objects_of(found).values()]
    peers = [each for each in before if each["kind"] == "Neighbor"]
    told = check_manifests(found, policy, placement, given["Node"], agents, peers)
    assert [*told] == [
        "the manifests give an unexpected session n3 - leaf-1",
        "the manifests give an unexpected session n3 - leaf-2",
        "the manifests give an unexpected speaker on node n3",
    ]


@pytest.mark.parametrize("objects", [(), AGENTS])
@pytest.mark.parametrize("style", STYLES)
def test_a_plan_has_steps_of_peer_objects_alone(tmp_path: Path, objects: tuple[Object, ...], style: Style) -> None:
    found, policy = cluster(tmp_path, *objects), Policy()
    plan = make_plan(found, policy, optimize(found, policy), style)
    assert (plan.daemonset is None) == (not objects)
    assert [change.kind for step in plan.steps for change in step.changes if isinstance(change, Patch)] == [
        "Neighbor",
        "Neighbor",
    ]
    (closing,) = plan.steps
    assert (closing.needs, closing.starts, closing.stops) == ("established", (), ())
    assert closing.sessions == {"leaf-1": Flow(3, closed=1), "leaf-2": Flow(3, closed=1)}
    check_steps(plan)
    check_end(plan)


def test_what_differs_in_one_address_is_kept_apart(tmp_path: Path) -> None:
    other = (neighbor("other", "10.0.0.1", *NODES, asn=65009), neighbor("third", "10.0.0.1", *NODES, asn=65009))
    routers = [{"name": "tor", "address": "10.0.0.1", "nodes": {"names": [*NODES]}}]
    found = with_topology(
        read(tmp_path, *map(node, NODES), *NEIGHBORS, *other), parse_topology({"routers": routers}, "t")
    )
    assert [(each.name, each.peer, each.asn) for each in found.routers] == [
        ("leaf-2", "leaf-2", 65001),
        ("other", "other", 65009),
        ("tor", "leaf-1", 65001),
    ]
    policy = Policy()
    plan = make_plan(found, policy, optimize(found, policy), "node-selector")
    assert set(plan.todays_sessions()) == {
        *((name, peer) for peer in ("leaf-1", "leaf-2") for name in NODES[:3]),
        *((name, "other") for name in NODES),
    }
    check_steps(plan)
