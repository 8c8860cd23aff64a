from __future__ import annotations

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
