"""Texts -> the objects in them by kind and name, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec import Raw

from ..errors import InputError
from ..findings import Finding
from ..kube.item import Item, Items
from ..kube.kinds import NODE, POD
from ..model import Node
from ..progress import Tell, silent
from .folders import Source, sources
from .items import NoObjectError, objects, readable_kinds
from .nodes import read_node
from .notes import Notes
from .text import EmptyFileError, Text
from .twins import choose


class Found(msgspec.Struct):
    """The objects by kind (`Readable.key`), then by namespace and name; the nodes are decoded, sorted by name."""

    items: Mapping[str, Items]
    nodes: Mapping[str, Node]
    warnings: Sequence[Finding] = ()


def read_objects(inputs: Sequence[str], tell: Tell = silent) -> Found:
    """The objects in these files and folders, at least one Node among them. Raises InputError."""
    notes = Notes()
    found = gather(sources(inputs, notes), tell, notes)
    if not found.nodes:
        told = f"no Node among the objects; dump them with kubectl get nodes -o json{notes.told()}"
        raise InputError(f"{', '.join(inputs)}: {told}")
    return found


def gather(texts: Iterable[Source], tell: Tell = silent, notes: Notes | None = None) -> Found:
    """The objects in texts. What is `found` in a folder or an archive may be empty or hold other things.

    Raises InputError, also for two objects of one name that differ.
    """
    readable, notes, contents = readable_kinds(), notes or Notes(), Contents()
    items: dict[str, dict[tuple[str, str], Item]] = {each.key: {} for each in readable.values()}
    nodes: dict[str, Node] = {}
    for source in texts:
        contents.add(source)
        try:
            for item in objects(source.text, source.name, tell, source.page, notes):
                key = readable[item.group, item.kind].key
                first = items[key].setdefault((item.namespace, item.name), item)
                if first is not item:
                    if choose(first, item, contents.of, notes) is first:
                        continue
                    items[key][item.namespace, item.name] = item
                # There may be millions: nodes need not be held twice, and pods are decoded when the DaemonSet is known.
                if key == NODE.name:
                    nodes[item.name] = read_node(item)
                    if first is item:  # else it may be the second of that name in its text
                        item.content = Raw()
                if key in (NODE.name, POD.name):
                    item.found = None
        except EmptyFileError:
            if not source.found:
                raise
            notes.empty.append(source.name)
        except NoObjectError:
            if not source.found:
                raise
            notes.passed_over.append(source.name)
    return Found(items, dict(sorted(nodes.items())), notes.findings())


class Contents:
    """The content of items, also of nodes, which do not keep it: their text is read again where it is asked for."""

    def __init__(self) -> None:
        self.texts: dict[str, list[Callable[[], Text]]] = {}
        self.nodes: dict[str, dict[str, Raw]] = {}

    def add(self, source: Source) -> None:
        """Remember where a text comes from."""
        self.texts.setdefault(source.name, []).append(source.again or (lambda: source.text))

    def of(self, item: Item) -> Raw:
        """The whole object as JSON. Raises InputError where the file has changed meanwhile."""
        if item.content != Raw():
            return item.content
        if item.file not in self.nodes:
            known = self.nodes[item.file] = {}
            for again in self.texts[item.file]:
                for each in objects(again(), item.file, page=True):
                    if each.kind == NODE.name:
                        known.setdefault(each.name, each.content)
        if item.name not in self.nodes[item.file]:
            raise InputError(f"{item.place}: the file has changed while it was read")
        return self.nodes[item.file][item.name]
