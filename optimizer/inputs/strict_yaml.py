"""YAML as Kubernetes reads it, into plain data; a key given twice is an error, and so is what could exhaust memory."""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..errors import InputError

MAX_DEPTH = 200
"""Levels of nesting in YAML; Kubernetes objects have a few dozen."""

ALIASED_FREELY = 100_000
"""Values that aliases may unfold to, whatever the size of the text."""

TAG = "tag:yaml.org,2002:"
NUMBERS = (f"{TAG}int", f"{TAG}float")
LEFT_OUT = (f"{TAG}timestamp", f"{TAG}value", f"{TAG}set", f"{TAG}omap", f"{TAG}pairs")
YAMLProblem = yaml.constructor.ConstructorError


class StrictLoader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it, but a key given twice is an error. Dates and 12:30 stay text."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.depth = 0
        self.flattened: set[int] = set()
        self.may_alias = b"&" in stream and b"*" in stream

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:  # noqa: ARG002
        """Called for every node before its members; libyaml's recursion would end the process without a limit."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = parent.start_mark if parent else None
            raise YAMLProblem(None, None, f"nested deeper than {MAX_DEPTH} levels", mark)

    def ascend_resolver(self) -> None:
        """Called for every node after its members."""
        self.depth -= 1

    def get_node(self) -> Any:
        """The next document as a graph of nodes, whose aliases are checked."""
        self.flattened.clear()
        node = super().get_node()
        if node is not None and self.may_alias:
            seen: dict[int, tuple[int, int] | None] = {}
            size, depth = unfolded(node, seen)
            if size > ALIASED_FREELY + 10 * len(seen) or depth > MAX_DEPTH:
                raise YAMLProblem(None, None, "its aliases unfold to far too much", node.start_mark)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge the merge keys in; raises a ConstructorError for a key given twice."""
        # A merged key may be overridden on purpose, so only keys written side by side count: those before the merge.
        if id(node) not in self.flattened:
            self.flattened.add(id(node))
            seen: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != f"{TAG}merge":
                    if key.value in seen:
                        raise YAMLProblem(None, None, f"key {key.value!r} is given twice", key.start_mark)
                    seen.add(key.value)
        super().flatten_mapping(node)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number; raises a ConstructorError for one that no field could hold."""
        number = super().construct_yaml_int(node) if len(node.value) <= 100 else None
        if number is None or number.bit_length() > 64:
            raise YAMLProblem(None, None, "a whole number of more than 64 bits", node.start_mark)
        return number


def unfolded(node: yaml.Node, seen: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How many values a node stands for and how deep they nest, aliases counted wherever they are used."""
    found = seen.get(id(node), ())
    if found is None:
        raise YAMLProblem(None, None, "an alias inside of what it stands for", node.start_mark)
    if found:
        return found
    seen[id(node)] = None
    size, depth = 1, 0
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        for part in child if isinstance(child, tuple) else (child,):
            more, below = unfolded(part, seen)
            size, depth = size + more, max(depth, below)
    seen[id(node)] = size, depth + 1
    return size, depth + 1


def without_base_60(tag: str, pattern: re.Pattern[str]) -> re.Pattern[str]:
    """The pattern of a tag's plain values without numbers such as 12:30, which Kubernetes' YAML does not have."""
    return re.compile(f"(?![^:]*:)(?:{pattern.pattern})", re.VERBOSE) if tag in NUMBERS else pattern


# As in Kubernetes' YAML, dates are text, and = is no value of its own.
StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, without_base_60(tag, pattern)) for tag, pattern in resolvers if tag not in LEFT_OUT]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
StrictLoader.yaml_constructors = {
    tag: constructor for tag, constructor in yaml.CSafeLoader.yaml_constructors.items() if tag not in LEFT_OUT
} | {f"{TAG}int": StrictLoader.construct_yaml_int}


def load(data: bytes, name: str) -> list[Any]:
    """All YAML documents that are not empty. Raises InputError naming `name` and the line."""
    try:
        return [document for document in yaml.load_all(data, Loader=StrictLoader) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        raise InputError(f"{name}:{place} not valid YAML ({problem})") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # such as !!bool maybe
        raise InputError(f"{name}: not valid YAML (a value that does not fit its type: {error})") from None
