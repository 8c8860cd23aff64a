"""What components have in common but for the names in them, so that equal ones are solved once."""

from __future__ import annotations

from .reduce import Component, Domains


def shape(component: Component) -> object:
    """A key that is equal only for components that differ in names alone: routers and domain values are numbered in
    the order in which they come. Their solutions, being counts by position, are then the same."""
    position = {router.name: number for number, router in enumerate(component.routers)}
    numbers: dict[tuple[str, str], int] = {}

    def numbered(domains: Domains) -> tuple[tuple[str, int], ...]:
        return tuple((domain[0], numbers.setdefault(domain, len(numbers))) for domain in domains)

    return (
        tuple(
            (each.needed, each.limit, each.spare, numbered(each.domains), each.elsewhere) for each in component.routers
        ),
        tuple(
            (
                tuple(position[router] for router in each.traits.routers),
                numbered(each.traits.domains),
                each.traits.capacity,
                each.traits.cost,
                each.traits.runs,
                tuple(position[router] for router in each.traits.today),
                each.traits.pinned,
                each.traits.retained,
                len(each.names),
            )
            for each in component.classes
        ),
    )
