"""Components of one shape differ in names alone, so that one solution serves them all."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from optimizer.search.problem import Component, NodeClass, RouterNeed, Traits, shape

RACKS = (("rack", "r1"), ("rack", "r2"))
PLAIN = Component(
    (RouterNeed("a", 2), RouterNeed("b", 2)),
    (
        NodeClass(Traits(("a", "b"), RACKS[:1], 2, 0, False, (), False), ("n1", "n2")),
        NodeClass(Traits(("b",), RACKS[1:], 1, 0, False, (), False), ("n3",)),
    ),
)
ROUTERS = {
    "needed": 3,
    "limit": 4,
    "spare": 1,
    "domains": RACKS[:1],
    "elsewhere": ("rack",),
    "racks": (("r1", 2),),
}
TRAITS = {
    "routers": ("b",),
    "domains": RACKS[1:],
    "capacity": 1,
    "cost": 1,
    "runs": True,
    "today": ("a",),
    "pinned": True,
    "retained": True,
    "rack": "r9",
    "down": ("a",),
    "broken": True,
    "doubt": 1,
}


def test_every_field_is_tried_here() -> None:
    assert {"name", *ROUTERS} == set(RouterNeed.__struct_fields__)
    assert TRAITS.keys() == set(Traits.__struct_fields__)


def test_names_do_not_make_a_shape() -> None:
    domains = ((("rack", "r7"),), (("rack", "r8"),))
    first, second = PLAIN.classes
    other = Component(
        (RouterNeed("x", 2), RouterNeed("y", 2)),
        (
            NodeClass(replace(first.traits, routers=("x", "y"), domains=domains[0]), ("m1", "m2")),
            NodeClass(replace(second.traits, routers=("y",), domains=domains[1]), ("m3",)),
        ),
    )
    assert shape(other) == shape(PLAIN)


@pytest.mark.parametrize(("field", "value"), ROUTERS.items())
def test_all_that_a_router_asks_for_makes_a_shape(field: str, value: object) -> None:
    first, *others = PLAIN.routers
    assert shape(replace(PLAIN, routers=(replace(first, **{field: value}), *others))) != shape(PLAIN)


@pytest.mark.parametrize(("field", "value"), TRAITS.items())
def test_all_traits_make_a_shape(field: str, value: object) -> None:
    first, *others = PLAIN.classes
    changed = replace(first, traits=replace(first.traits, **{field: value}))
    assert shape(replace(PLAIN, classes=(changed, *others))) != shape(PLAIN)


def test_the_number_of_nodes_makes_a_shape() -> None:
    first, *others = PLAIN.classes
    assert shape(replace(PLAIN, classes=(replace(first, names=("n1",)), *others))) != shape(PLAIN)
