"""One Kubernetes object of an input, with the place where it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from ..errors import InputError
from ..words import explain
from .objects import Object

T = TypeVar("T")


class Item(Struct, gc=False):
    """One object of the input: what it is, the file where it was read, and its content as JSON.

    `found` are the fields that we use, where they could be read along with the kind.
    """

    kind: str
    group: str
    version: str
    name: str
    namespace: str
    file: str
    content: Raw
    found: Object | None = None

    @property
    def title(self) -> str:
        """The object, for sentences."""
        return f"{self.kind} {f'{self.namespace}/{self.name}' if self.namespace else self.name}"

    @property
    def place(self) -> str:
        """The file and the object, for sentences."""
        return f"{self.file}: {self.title}"

    def load(self, type_: type[T]) -> T:
        """The content as `type_`. Raises InputError naming the file, the object and the field."""
        if isinstance(self.found, type_):
            return self.found
        loaded: T = decode(self.content, type_, self.place)
        return loaded

    def decode(self, type_: type[T]) -> T:
        """The content as `type_`, whatever was read before. Raises InputError as `load` does."""
        decoded: T = decode(self.content, type_, self.place)
        return decoded

    def manifest(self) -> dict[str, Any]:
        """The object without its status, with the kind and namespace that a typed list leaves to the list.

        (The status of a peer object may hold an entry for every node.)
        """
        parts = decode(self.content, dict[str, Raw], self.place)
        content = {key: decode(part, Any, self.place) for key, part in parts.items() if key != "status"}
        content |= {"apiVersion": f"{self.group}/{self.version}".removeprefix("/"), "kind": self.kind}
        if self.namespace:
            content["metadata"] = {**content["metadata"], "namespace": self.namespace}
        return content


def decode(content: Raw, type_: Any, place: str) -> Any:
    """JSON as `type_`. Raises InputError naming `place` and the field."""
    try:
        return msgspec.json.decode(content, type=type_)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InputError(f"{place}: {explain(str(error))}") from None
    except RecursionError:
        raise InputError(f"{place}: nested too deeply to be Kubernetes objects") from None


Items = Mapping[tuple[str, str], Item]
"""The objects of one kind by namespace and name."""


def by_name(items: Items) -> list[Item]:
    """The items sorted by namespace and name."""
    return [items[key] for key in sorted(items)]
