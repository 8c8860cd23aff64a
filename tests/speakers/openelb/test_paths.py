from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.model import Paths
from optimizer.speakers import PRODUCTS
from optimizer.speakers.openelb import OpenELB
from optimizer.speakers.openelb.kinds import RACK_LABEL
from optimizer.speakers.openelb.paths import paths
from optimizer.speakers.product import Product
from tests.exports.export_inputs import (
    cluster,
    node,
    peer,
    placed,
    router,
    two_racks,
)


def test_openelb_is_a_product() -> None:
    product: Product = OpenELB()
    assert PRODUCTS[product.name].title == "OpenELB"
    assert product.paths(two_racks(), placed()) == paths(two_racks(), placed())


def test_paths_count_every_node_without_racks() -> None:
    placement = placed(("a1", "leaf-1"), ("a2", "leaf-1"), ("b1", "leaf-2"))
    # Three sessions of rack 1 and two of rack 2 today, five nodes in all.
    assert paths(two_racks(), placement) == (Paths("leaf-1", 15, 10), Paths("leaf-2", 10, 5))


def test_paths_count_the_nodes_of_the_rack_under_as_per_rack() -> None:
    labels = [("a1", "r1"), ("a2", "r1"), ("a3", "r1"), ("b1", "r2")]
    nodes = [node(name, **{RACK_LABEL: value}) for name, value in labels] + [node("c1")]  # type: ignore[arg-type]
    found = cluster(nodes, [router(1, "p")], [peer("p", "10.0.0.1")], settings={"asPerRack": {"r1": 1, "r2": 2}})
    # Today 3 + 3 + 3 + 1, and the one without a rack announces all five.
    assert paths(found, placed(("a1", "leaf-1"), ("b1", "leaf-1"))) == (Paths("leaf-1", 15, 4),)


FOUR, SIX, LINKS = (
    {"afi": "AFI_IP", "safi": "SAFI_UNICAST"},
    {"afi": "AFI_IP6", "safi": "SAFI_UNICAST"},
    {"afi": "AFI_LS", "safi": "SAFI_LS"},
)


def entry(kind: dict[str, str] | None = None, most: int | None = None) -> dict[str, Any]:
    """An entry of `afiSafis`."""
    config = {} if kind is None else {"config": {"family": kind, "enabled": True}}
    return config | ({} if most is None else {"addPaths": {"config": {"sendMax": most}}})


@pytest.mark.parametrize(
    ("address", "entries", "each"),
    [
        ("10.0.0.1", None, 5),  # OpenELB turns Add-Path on by itself
        ("fd00::1", [], 5),
        ("10.0.0.1", [entry(FOUR)], 1),
        ("10.0.0.1", [entry()], 1),
        ("10.0.0.1", [None], 1),
        ("10.0.0.1", [entry(FOUR, 0)], 1),
        ("10.0.0.1", [entry(FOUR, 2)], 5),  # the number limits nothing
        ("10.0.0.1", [entry(FOUR, 256)], 1),  # of which eight bits are kept
        ("10.0.0.1", [entry(None, 10)], 5),
        ("10.0.0.1", [entry(FOUR), entry(SIX, 10)], 1),
        ("fd00::1", [entry(FOUR), entry(SIX, 10)], 5),
        ("fd00::1", [entry(FOUR, 10)], 5),
        ("10.0.0.1", [entry(LINKS, 10), entry(FOUR)], 1),
    ],
)
def test_a_session_carries_all_next_hops_with_add_path_alone(address: str, entries: object, each: int) -> None:
    given = peer("p", address)
    given.manifest["spec"]["afiSafis"] = entries
    found = cluster([node(f"n{i}") for i in range(5)], [replace(router(1, "p"), address=address)], [given])
    placement = placed(("n1", "leaf-1"), ("n2", "leaf-1"))
    assert paths(found, placement) == (Paths("leaf-1", 5 * each, 2 * each),)
    # Under asPerRack too.
    racks = replace(found, settings={"asPerRack": {"r1": 1}})
    labelled = tuple(node(f"n{i}", **{RACK_LABEL: f"r{i % 2}"}) for i in range(5))  # type: ignore[arg-type]
    few = paths(replace(racks, nodes=labelled), placement)
    assert few == (Paths("leaf-1", 3 * 3 + 2 * 2 if each == 5 else 5, 2 + 3 if each == 5 else 2),)


def test_a_router_whose_peer_is_to_be_created_gets_all_next_hops() -> None:
    found = cluster([node("n1"), node("n2")], [router(1)])
    assert paths(found, placed(("n1", "leaf-1"))) == (Paths("leaf-1", 0, 2),)
