"""Pages of a live list, cut down on arrival to the fields that are used: a cluster's objects are mostly other fields.

A real Node is 10 kB, of which we use one; a peer object may report the state of every speaker's session.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import Raw

from ..kube.objects import NULL, Kinded, NodeObject, PodObject
from ..kube.pods import PodStatus
from ..speakers import PRODUCTS


class Nodes(Kinded):
    """A page of nodes."""

    items: list[NodeObject] | None = None


class SlimPod(PodObject):
    """A pod, with what says how it is."""

    status: PodStatus | None = None


class Pods(Kinded):
    """A page of pods."""

    items: list[SlimPod] | None = None


class Bare(Kinded):
    """An object without its status."""

    metadata: Raw = NULL
    spec: Raw = NULL


@cache
def decoder(kind: str) -> msgspec.json.Decoder[Any]:
    """What decodes a page of objects of a kind: of a product's, of the status only what is read of it."""
    if kind in ("Node", "Pod"):
        return msgspec.json.Decoder(Nodes if kind == "Node" else Pods)
    status = next((each.reported[kind] for each in PRODUCTS.values() if kind in each.reported), None)
    kept: list[tuple[str, Any, Any]] = [("status", status | None, None)] if status else []
    item = msgspec.defstruct("Slim", kept, bases=(Bare,), rename="camel")
    page = msgspec.defstruct("Page", [("items", list[item] | None, None)], bases=(Kinded,))  # type: ignore[valid-type]
    return msgspec.json.Decoder(page)


def slim(kind: str, page: bytes) -> bytes:
    """A page of a list without the fields that nobody reads; as it is, where it is not what a server sends.

    >>> slim("Peer", b'{"items": [{"metadata": {"name": "a"}, "spec": {}, "status": {"x": 1}}]}')
    b'{"items":[{"metadata":{"name": "a"},"spec":{},"kind":"","apiVersion":""}],"kind":"","apiVersion":""}'
    """
    try:
        return msgspec.json.encode(decoder(kind).decode(page))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return page  # the reader will say what is wrong with it
