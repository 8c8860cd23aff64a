"""Pages of a live list, cut down on arrival to the fields that are used: a cluster's objects are mostly other fields.

A real Node is 10 kB, of which we use one; a peer object may report the state of every speaker's session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from ..kube.objects import Kinded, NodeObject, PodObject


class Nodes(Kinded):
    """A page of nodes."""

    items: list[NodeObject] | None = None


class Pods(Kinded):
    """A page of pods."""

    items: list[PodObject] | None = None


class Bare(Kinded):
    """An object without its status."""

    metadata: Raw = Raw(b"null")
    spec: Raw = Raw(b"null")


class Bares(Kinded):
    """A page of such objects."""

    items: list[Bare] | None = None


PAGES: Mapping[str, msgspec.json.Decoder[Any]] = {
    "Node": msgspec.json.Decoder(Nodes),
    "Pod": msgspec.json.Decoder(Pods),
}
BARES = msgspec.json.Decoder(Bares)


def slim(kind: str, page: bytes) -> bytes:
    """A page of a list without the fields that nobody reads; as it is, where it is not what a server sends.

    >>> slim("Peer", b'{"items": [{"metadata": {"name": "a"}, "spec": {}, "status": {"x": 1}}]}')
    b'{"items":[{"metadata":{"name": "a"},"spec":{},"kind":"","apiVersion":""}],"kind":"","apiVersion":""}'
    """
    try:
        return msgspec.json.encode(PAGES.get(kind, BARES).decode(page))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return page  # the reader will say what is wrong with it
