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
from optimizer.plan.objects import objects_of
from optimizer.speakers import PRODUCTS
from optimizer.speakers.product import Product
from tests.objects import Object, daemonset, node, pod, read
from tests.speakers.agent import Agent

NODES = ("n1", "n2", "n3", "n4")
TOPOLOGY = {"attachments": [[name, router] for router in ("leaf-1", "leaf-2") for name in NODES]}


def neighbor(name: str, address: str, *nodes: str) -> Object:
    spec = {"address": address, "asn": 65001, "nodes": [*nodes]}
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
