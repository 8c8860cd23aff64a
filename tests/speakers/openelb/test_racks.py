"""Racks under asPerRack: from the dump to the next hops that a placement keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.errors import InputError
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import parse_topology
from optimizer.model import Cluster, Placement, Policy
from optimizer.placements.optimize import optimize
from optimizer.speakers.openelb.kinds import RACK_LABEL
from optimizer.speakers.openelb.paths import paths
from optimizer.speakers.openelb.racks import announced_with, findings
from tests.objects import Object, conf, daemonset, node, peer, read, speaker_pod

ROOM = {"cpu": "4", "memory": "8Gi", "pods": "20"}


def rack(number: int, size: int) -> list[Object]:
    """The nodes of a rack, or with 0 nodes in none."""
    labels = {RACK_LABEL: f"r{number}"} if number else {}
    return [node(f"n{number}-{i}", labels, allocatable=ROOM) for i in range(size)]


def dump(folder: Path, nodes: list[Object], racks: dict[str, int], topology: object = None) -> Cluster:
    """The cluster of these nodes, each with a speaker, that peer with one router."""
    names = [each["metadata"]["name"] for each in nodes]
    tor = peer("tor", "10.0.0.1")
    found = read(folder, *nodes, daemonset(), conf(asPerRack=racks), tor, *map(speaker_pod, names))
    return with_topology(found, parse_topology(topology or {}, "topology"))


def announced(cluster: Cluster, placement: Placement) -> set[str]:
    """The nodes that some chosen speaker announces to the router: those of its rack, or all where it is in none."""
    rack = {each.name: each.labels.get(RACK_LABEL, "") for each in cluster.nodes}
    own = {rack[session.node] for session in placement.sessions}
    return {name for name in rack if rack[name] in own or "" in own}


@pytest.mark.parametrize("size", [2, 40])
def test_every_node_stays_a_next_hop(tmp_path: Path, size: int) -> None:
    nodes = [*rack(1, size), *rack(2, size), *rack(3, size)]
    cluster = dump(tmp_path, nodes, {"r1": 65001, "r2": 65002, "r3": 65003})
    placement = optimize(cluster, Policy())
    assert len(placement.sessions) == len(placement.speakers) == 6
    assert announced(cluster, placement) == {each.name for each in cluster.nodes}
    assert len(announced(cluster, optimize(cluster, Policy(coverage=False)))) == size
    (told,) = paths(cluster, placement)
    assert told.proposed == 6 * size


def test_nodes_without_the_label_and_racks_that_are_not_listed_keep_theirs_and_are_named(tmp_path: Path) -> None:
    cluster = dump(tmp_path, [*rack(1, 3), *rack(2, 3), *rack(0, 3)], {"r1": 65001, "r2": 0})
    placement = optimize(cluster, Policy())
    assert len(placement.sessions) == 6
    told = {each.rule: each.sentence for each in placement.hazards}
    assert "3 of 9 nodes lack the label" in told["rack-label-missing"]
    assert "1 rack is not listed with an AS number in asPerRack of the BgpConf default: r2; " in told["rack-not-listed"]


def test_many_racks_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    cluster = dump(tmp_path, [each for number in range(1, 9) for each in rack(number, 1)], {"r1": 1})
    (found,) = [each for each in findings(cluster) if each.rule == "rack-not-listed"]
    assert "7 racks are not listed" in found.sentence
    assert "r2, r3, r4, r5, r6 and 2 more" in found.sentence


def test_an_empty_label_is_none(tmp_path: Path) -> None:
    nodes = [node("a", {RACK_LABEL: ""}), node("b", {RACK_LABEL: "r1"})]
    cluster = dump(tmp_path, nodes, {"r1": 65001})
    assert announced_with(cluster) == {"a": "", "b": "r1"}
    (found,) = findings(cluster)
    assert "1 of 2 nodes lack the label" in found.sentence


@pytest.mark.parametrize("racks", [{}, None])
def test_without_as_per_rack_every_speaker_announces_every_node(tmp_path: Path, racks: dict[str, int] | None) -> None:
    cluster = read(tmp_path, *rack(1, 2), conf(asPerRack=racks), peer("tor", "10.0.0.1"))
    assert announced_with(cluster) == {}
    assert [each.rule for each in findings(cluster)] == ["rack-label-unused"]


def test_a_rack_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    cluster = dump(tmp_path, [node("a", {RACK_LABEL: "r1\x1b[31m"}), node("b")], {"r1": 65001})
    with pytest.raises(InputError) as caught:
        optimize(cluster, Policy())
    assert str(caught.value).startswith(f"node a: label {RACK_LABEL}: ")
    assert str(caught.value).isprintable()


def test_a_router_that_is_left_out_covers_nothing(tmp_path: Path) -> None:
    topology = {"routers": [{"name": "tor", "address": "10.0.0.1", "minSpeakers": 0}]}
    cluster = dump(tmp_path, [*rack(1, 3), *rack(2, 3)], {"r1": 65001, "r2": 65002}, topology)
    assert optimize(cluster, Policy()).speakers == ()
    for least, told in ((None, 1), (0, 0)):
        far = {"name": "far", "address": "10.0.0.9", "minSpeakers": least}
        cluster = dump(tmp_path, rack(1, 1), {}, {"routers": [far]})
        assert [each.rule for each in cluster.warnings].count("router-without-nodes") == told
        tor = {"name": "tor", "address": "10.0.0.1", "minSpeakers": least}
        nobody = peer("tor", "10.0.0.1", {"matchLabels": {"no": "body"}})
        found = with_topology(read(tmp_path, node("a"), nobody), parse_topology({"routers": [tor]}, "topology"))
        assert [each.rule for each in found.warnings].count("peer-selects-nobody") == told
