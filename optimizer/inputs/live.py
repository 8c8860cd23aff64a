"""A live cluster -> a `Cluster` without routers, as `read_cluster` reads it from a dump.

Pods are most of a cluster, so those of the speakers alone are listed; what the others request is looked up for the
nodes that matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import InputError, MissingError
from ..kube.client import Api
from ..kube.kinds import DAEMONSET, POD, Ref
from ..kube.objects import DaemonSetObject
from ..kube.parallel import in_parallel
from ..kube.parse import read_selector
from ..kube.selectors import selector_text
from ..model import Cluster, Resources
from ..progress import Tell, silent
from ..speakers import kinds_of, product_named
from .cluster import build, gather
from .items import OPENELB_GROUP, Item, objects
from .pages import slim
from .pods import DEFAULT_DAEMONSET, read_pods

VERSION = "v1alpha2"
"""The version of OpenELB's objects that is read."""

ENDED = ("Succeeded", "Failed")
RUNNING = ",".join(f"status.phase!={phase}" for phase in ENDED)


class Live(Struct, frozen=True):
    """What a live cluster holds: the cluster, and whole, with its status, its speaker DaemonSet; None where none is."""

    cluster: Cluster
    daemonset: dict[str, Any] | None


def read_live(api: Api, daemonset: str | None = None, tell: Tell = silent) -> Live:
    """The cluster, its speakers where their pods are; `daemonset` is `[namespace/]name`.

    The nodes' room is as if no pods but speakers were there. Raises LiveError, and InputError naming server, object
    and field.
    """
    namespace, _, name = (daemonset or DEFAULT_DAEMONSET).rpartition("/")
    pages = dict[str, list[bytes]]()
    tell(f"reading the DaemonSet {name} from {api.server}")
    pages["DaemonSet"] = api.list(Ref(DAEMONSET, namespace), fieldSelector=f"metadata.name={name}")
    chosen = [item for page in pages["DaemonSet"] for item in objects(page, api.server)]
    if daemonset and not chosen:
        raise InputError(f"{api.server} has no DaemonSet {daemonset}")
    # Where several have the name, `build` says so. Pods come before nodes, so that each finds its node.
    pages["Pod"] = speaker_pages(api, chosen[0], tell) if len(chosen) == 1 else []
    for kind in ("Node", "BgpPeer", "BgpConf"):
        tell(f"reading {kind}s")
        pages[kind] = slim_pages(api, kind) if kind == "Node" else openelb_pages(api, kind)
    found = gather(((api.server, page) for listed in pages.values() for page in listed), tell)
    if not found.nodes:
        raise InputError(f"{api.server}: the cluster has no nodes")
    return Live(
        cluster=build(found, daemonset, live=True),
        daemonset=whole(chosen[0]) if chosen else None,
    )


def speaker_pages(api: Api, daemonset: Item, tell: Tell) -> list[bytes]:
    """The pods that the DaemonSet selects."""
    tell("reading the speakers' pods")
    place = f"{daemonset.place}: spec.selector"
    selector = read_selector(daemonset.load(DaemonSetObject).spec.selector, place)
    if selector is None:
        raise InputError(f"{place}: is missing")
    pods, query = Ref(POD, daemonset.namespace), selector_text(daemonset.manifest()["spec"]["selector"])
    return api.pages(pods, partial(slim, "Pod"), labelSelector=query)


def slim_pages(api: Api, kind: str) -> list[bytes]:
    """All objects of a kind, with the fields that are used."""
    return api.pages(Ref(kinds_of(product_named(""))[kind]), partial(slim, kind))


def openelb_pages(api: Api, kind: str) -> list[bytes]:
    """The objects of a kind of OpenELB's; none in a cluster without OpenELB. Raises InputError for other versions."""
    try:
        return slim_pages(api, kind)
    except MissingError:
        pass
    try:
        versions = api.versions(OPENELB_GROUP)
    except MissingError:
        return []
    if VERSION not in versions:
        found = f"{OPENELB_GROUP}/{', '.join(versions)}"
        raise InputError(f"{api.server}: apiVersion {found} of {kind} is not {OPENELB_GROUP}/{VERSION}")
    return []


def whole(item: Item) -> dict[str, Any]:
    """The object as the server has it, with the kind that it leaves to the list."""
    content: dict[str, Any] = msgspec.json.decode(item.content)
    return {"apiVersion": f"{item.group}/{item.version}".removeprefix("/"), "kind": item.kind} | content


def requested_on(
    api: Api, nodes: Collection[str], daemonset: Mapping[str, Any] | None, tell: Tell = silent
) -> dict[str, Resources]:
    """What the pods other than speakers request on these nodes, nothing where there are none; a list for each node.

    `daemonset` is the speakers', as in `Live`. Raises LiveError and InputError.
    """
    tell(f"looking up the room on {len(nodes)} nodes")
    chosen = next(objects(msgspec.json.encode(daemonset), api.server), None) if daemonset else None

    def look(node: str) -> Resources:
        pages = api.pages(Ref(POD), partial(slim, "Pod"), fieldSelector=f"spec.nodeName={node},{RUNNING}")
        _, requested = read_pods((item for page in pages for item in objects(page, api.server)), chosen)
        return requested.get(node, Resources())

    names = sorted(nodes)
    return dict(zip(names, in_parallel(look, names), strict=True))
