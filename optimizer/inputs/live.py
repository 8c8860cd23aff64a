"""A live cluster -> a `Cluster` without routers, as `read_cluster` reads it from a dump.

Pods are most of a cluster, so those of the speakers alone are listed; what the others request is looked up for the
nodes that matter.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct, structs

from ..errors import InputError, MissingError, RefusedError
from ..kube.client import Api
from ..kube.item import Item, Items, by_name
from ..kube.kinds import DAEMONSET, DEPLOYMENT, NODE, POD, Kind, Ref
from ..kube.objects import DaemonSetObject
from ..kube.parallel import in_parallel
from ..kube.parse import read_selector
from ..kube.selectors import selector_text
from ..model import Cluster
from ..progress import Tell, silent
from ..speakers import PRODUCTS, check_made_for, product_named, strangers
from ..speakers.product import Product
from .cluster import build
from .folders import Source
from .gather import gather
from .items import kind_key, objects
from .pages import slim
from .pods import Load, read_pods, with_load
from .traces import owners_of

ENDED = ("Succeeded", "Failed")
RUNNING = ",".join(f"status.phase!={phase}" for phase in ENDED)


class Live(Struct, frozen=True):
    """What a live cluster holds: the cluster, and whole, with its status, its speaker DaemonSet; None where none is."""

    cluster: Cluster
    daemonset: dict[str, Any] | None


def read_live(
    api: Api,
    daemonset: str | None = None,
    tell: Tell = silent,
    product: str = "",
    expected: str = "",
    file: str = "",
) -> Live:
    """The cluster, its speakers where their pods are; `daemonset` is `[namespace/]name`.

    `product`, `expected` and `file` are as `read_cluster` has them. The nodes' room is as if no pods but
    speakers were there. Raises LiveError, and InputError naming server, object and field.
    """
    check_made_for(expected, product, file)
    candidates = [product_named(product)] if product else [*PRODUCTS.values()]
    listed = daemonset_pages(api, daemonset, tell)
    items = (item for page in listed for item in objects(page, api.server, page=True))
    found_here = {(item.namespace, item.name): item for item in items}
    if daemonset and not found_here:
        raise InputError(f"{api.server} has no DaemonSet {daemonset}")
    chosen = speaker_daemonsets(found_here, bool(daemonset), candidates)
    # Pods come before nodes, so that each finds its node. Where several may be meant, `build` says so.
    pages = {"DaemonSet": listed, "Pod": [page for item in chosen for page in speaker_pages(api, item, tell)]}
    tell("reading Nodes")
    pages["Node"] = api.pages(Ref(NODE), partial(slim, "Node"))
    for kind in (kind for each in candidates for kind in each.kinds):
        tell(f"reading {kind.name}s")
        pages[kind_key(kind)] = product_pages(api, kind)
    if not chosen:
        tell("looking for other products")
        pages |= stranger_pages(api, candidates)
    texts = (Source(api.server, page, page=True) for each in pages.values() for page in each)
    found = gather(texts, tell)
    if not found.nodes:
        raise InputError(f"{api.server}: the cluster has no nodes")
    cluster = build(found, daemonset, product, expected, live=True, file=file)
    place = (cluster.speaker.namespace, cluster.speaker.name) if cluster.speaker else None
    own = whole(found_here[place]) if place else None
    return Live(cluster, own)


def daemonset_pages(api: Api, wanted: str | None, tell: Tell) -> list[bytes]:
    """All DaemonSets, since the speakers' may have any name, or those of the name that is `wanted`."""
    if not wanted:
        tell(f"reading DaemonSets from {api.server}")
        return api.list(Ref(DAEMONSET))
    namespace, _, name = wanted.rpartition("/")
    tell(f"reading the DaemonSet {name} from {api.server}")
    return api.list(Ref(DAEMONSET, namespace), fieldSelector=f"metadata.name={name}")


def speaker_daemonsets(found: Items, wanted: bool, candidates: Sequence[Product]) -> list[Item]:
    """The DaemonSets whose pods are speakers, one of each product; none where it is unclear which one is meant."""
    if wanted:
        return by_name(found) if len(found) == 1 else []
    owners = owners_of(found)
    mine = [[item for key, item in found.items() if owners.get(key, ("",))[0] == each.name] for each in candidates]
    return [items[0] for items in mine if len(items) == 1]


def stranger_pages(api: Api, candidates: Sequence[Product]) -> dict[str, list[bytes]]:
    """What tells of releases and products that cannot be placed, as far as the role allows to list it."""
    pages = {DEPLOYMENT.name: optional(api, Ref(DEPLOYMENT))}
    signs = [each.outdated.signs for each in candidates if each.outdated]
    queries = [",".join(f"{key}={value}" for key, value in each.items()) for some in signs for each in some.labels]
    pages[POD.name] = [page for query in queries for page in optional(api, Ref(POD), labelSelector=query)]
    for kind in (kind for each in strangers() for kind in each.peers):
        pages[kind_key(kind)] = []
        for version in versions_of(api, kind.group):
            served = structs.replace(kind, version=version)
            pages[kind_key(kind)] = pages[kind_key(kind)] or optional(api, Ref(served))
    return pages


def optional(api: Api, ref: Ref, **query: str) -> list[bytes]:
    """The pages of a list; none where there is no such kind, or where the role does not allow to list it."""
    try:
        return api.pages(ref, partial(slim, ref.kind.name), **query)
    except (MissingError, RefusedError):
        return []


def versions_of(api: Api, group: str) -> list[str]:
    """The versions of an API group; none where there is no such group, or where the role does not allow to ask."""
    try:
        return api.versions(group)
    except (MissingError, RefusedError):
        return []


def speaker_pages(api: Api, daemonset: Item, tell: Tell) -> list[bytes]:
    """The pods that the DaemonSet selects."""
    tell("reading the speakers' pods")
    place = f"{daemonset.place}: spec.selector"
    selector = read_selector(daemonset.load(DaemonSetObject).spec.selector, place)
    if selector is None:
        raise InputError(f"{place}: is missing")
    pods, query = Ref(POD, daemonset.namespace), selector_text(daemonset.manifest()["spec"]["selector"])
    return api.pages(pods, partial(slim, "Pod"), labelSelector=query)


def product_pages(api: Api, kind: Kind) -> list[bytes]:
    """The objects of a product's kind; none in a cluster without the product. Raises InputError for other versions."""
    try:
        return api.pages(Ref(kind), partial(slim, kind.name))
    except MissingError:
        pass
    try:
        versions = api.versions(kind.group)
    except MissingError:
        return []
    if kind.version not in versions:
        found = f"{kind.group}/{', '.join(versions)}"
        raise InputError(f"{api.server}: apiVersion {found} of {kind.name} is not {kind.api_version}")
    return []


def whole(item: Item) -> dict[str, Any]:
    """The object as the server has it, with the kind that it leaves to the list."""
    content: dict[str, Any] = msgspec.json.decode(item.content)
    return {"apiVersion": f"{item.group}/{item.version}".removeprefix("/"), "kind": item.kind} | content


def with_room(api: Api, cluster: Cluster, names: Collection[str], live: Live, tell: Tell = silent) -> Cluster:
    """The cluster with what pods take of those of these nodes that it has; `live` is what it was read as.

    Raises LiveError and InputError.
    """
    known = {node.name for node in cluster.nodes}
    loads = loads_of(api, known.intersection(names), live, tell)
    return structs.replace(cluster, nodes=with_load(cluster.nodes, loads))


def loads_of(api: Api, nodes: Collection[str], live: Live, tell: Tell = silent) -> dict[str, Load]:
    """What the pods other than speakers take of these nodes, nothing where there are none; a list for each node.

    Raises LiveError and InputError.
    """
    daemonset, product = live.daemonset, product_named(live.cluster.product)
    tell(f"looking up the room on {len(nodes)} nodes")
    chosen = next(objects(msgspec.json.encode(daemonset), api.server), None) if daemonset else None

    ports = live.cluster.speaker.ports if live.cluster.speaker else ()

    def look(node: str) -> Load:
        pages = api.pages(Ref(POD), partial(slim, "Pod"), fieldSelector=f"spec.nodeName={node},{RUNNING}")
        items = (item for page in pages for item in objects(page, api.server, page=True))
        return read_pods(items, chosen, product, ports).loads.get(node, Load())

    names = sorted(nodes)
    return dict(zip(names, in_parallel(look, names), strict=True))
