"""The nodes of a cluster, found by label and by address without testing every node each time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from operator import itemgetter

from ..kube.names import check_label_value
from ..kube.parse import checked, ip_address, ip_network
from ..kube.selectors import matcher
from ..model import LabelSelector, Node


class NodeIndex:
    """The nodes of a cluster, and which of them a selector matches, without testing every node each time."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.every = tuple(sorted(self.nodes))
        self.by_label: dict[str, dict[str, list[str]]] = {}
        self.selected: dict[object, tuple[str, ...]] = {}

    def values(self, key: str) -> Mapping[str, Sequence[str]]:
        """Every value of a label and the nodes that carry it."""
        if key not in self.by_label:
            found: dict[str, list[str]] = {}
            for name in self.every:
                value = self.nodes[name].labels.get(key)
                if value is not None:
                    found.setdefault(value, []).append(name)
            for value, names in found.items():
                checked(f"node {names[0]}: label {key}", partial(check_label_value, value))
            self.by_label[key] = found
        return self.by_label[key]

    def carried(self, key: str) -> bool:
        """Whether any node carries a label."""
        return any(key in node.labels for node in self.nodes.values())

    def select(self, selector: LabelSelector | None) -> tuple[str, ...]:
        """The matching nodes, sorted; the same tuple wherever the selector says the same."""
        if selector is None or not (selector.match_labels or selector.match_expressions):
            return self.every
        key = tuple(sorted(selector.match_labels.items())), selector.match_expressions
        if key not in self.selected:
            self.selected[key] = self.search(selector)
        return self.selected[key]

    def search(self, selector: LabelSelector) -> tuple[str, ...]:
        """The nodes that a selector matches, which asks for something, sorted."""
        labels, expressions = dict(selector.match_labels), list(selector.match_expressions)
        candidates: Iterable[str] = self.every
        wanted = next((each for each in expressions if each.operator == "In"), None)
        if labels:
            key, value = labels.popitem()
            candidates = self.values(key).get(value, ())
        elif wanted is not None:
            expressions.remove(wanted)
            known = self.values(wanted.key)
            candidates = sorted(name for value in set(wanted.values) for name in known.get(value, ()))
        if not labels and not expressions:
            return tuple(candidates)
        fits = matcher(LabelSelector(labels, tuple(expressions)))
        return tuple(name for name in candidates if fits(self.nodes[name].labels))

    @cached_property
    def by_address(self) -> dict[int, list[tuple[int, str]]]:
        """The (internal address, node) pairs of each IP version, sorted."""
        found: dict[int, list[tuple[int, str]]] = {4: [], 6: []}
        for node in self.nodes.values():
            for text in node.addresses:
                try:
                    address = ip_address(text)
                except ValueError:
                    continue  # a host name in the place of an address is in no range
                found[address.version].append((int(address), node.name))
        return {version: sorted(pairs) for version, pairs in found.items()}

    def in_ranges(self, cidrs: Iterable[str]) -> set[str]:
        """The nodes with an internal address in one of the ranges."""
        found: set[str] = set()
        for cidr in cidrs:
            network = ip_network(cidr)
            known = self.by_address[network.version]
            first = bisect_left(known, int(network.network_address), key=itemgetter(0))
            last = bisect_right(known, int(network.broadcast_address), key=itemgetter(0))
            found.update(name for _, name in known[first:last])
        return found
