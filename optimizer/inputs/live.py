"""A live cluster -> a `Cluster` without routers, as `read_cluster` reads it from a dump.

Pods are most of a cluster, so those of the speakers alone are listed; what the others request is looked up for the
nodes that matter.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct, structs

from ..errors import InputError, MissingError
from ..kube.client import Api
from ..kube.item import Item
from ..kube.kinds import DAEMONSET, NODE, POD, Kind, Ref
from ..kube.objects import DaemonSetObject
from ..kube.parallel import in_parallel
from ..kube.parse import read_selector
from ..kube.selectors import selector_text
from ..model import Cluster, Resources
from ..progress import Tell, silent
from ..speakers import PRODUCTS, check_made_for, product_named
from .cluster import build
from .folders import Source
from .gather import gather
from .items import kind_key, objects
from .pages import slim
from .pods import read_pods, with_requested

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
    pages = dict[str, list[bytes]](DaemonSet=[], Pod=[])
    chosen: list[Item] = []
    # Pods come before nodes, so that each finds its node.
    for wanted in dict.fromkeys([daemonset] if daemonset else [each.daemonset for each in candidates]):
        namespace, _, name = wanted.rpartition("/")
        tell(f"reading the DaemonSet {name} from {api.server}")
        listed = api.list(Ref(DAEMONSET, namespace), fieldSelector=f"metadata.name={name}")
        named = [item for page in listed for item in objects(page, api.server, page=True)]
        pages["DaemonSet"] += listed
        # Where several have the name, `build` says so.
        pages["Pod"] += speaker_pages(api, named[0], tell) if len(named) == 1 else []
        chosen += named
    if daemonset and not chosen:
        raise InputError(f"{api.server} has no DaemonSet {daemonset}")
    tell("reading Nodes")
    pages["Node"] = api.pages(Ref(NODE), partial(slim, "Node"))
    for kind in (kind for each in candidates for kind in each.kinds):
        tell(f"reading {kind.name}s")
        pages[kind_key(kind)] = product_pages(api, kind)
    texts = (Source(api.server, page, page=True) for each in pages.values() for page in each)
    found = gather(texts, tell)
    if not found.nodes:
        raise InputError(f"{api.server}: the cluster has no nodes")
    cluster = build(found, daemonset, product, expected, live=True, file=file)
    place = (cluster.speaker.namespace, cluster.speaker.name) if cluster.speaker else None
    own = next((whole(item) for item in chosen if (item.namespace, item.name) == place), None)
    return Live(cluster, own)


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
    """The cluster with what pods request on those of these nodes that it has; `live` is what it was read as.

    Raises LiveError and InputError.
    """
    known = {node.name for node in cluster.nodes}
    requested = requested_on(api, known.intersection(names), live, tell)
    return structs.replace(cluster, nodes=with_requested(cluster.nodes, requested))


def requested_on(api: Api, nodes: Collection[str], live: Live, tell: Tell = silent) -> dict[str, Resources]:
    """What the pods other than speakers request on these nodes, nothing where there are none; a list for each node.

    Raises LiveError and InputError.
    """
    daemonset, assumed = live.daemonset, product_named(live.cluster.product).daemonset
    tell(f"looking up the room on {len(nodes)} nodes")
    chosen = next(objects(msgspec.json.encode(daemonset), api.server), None) if daemonset else None

    def look(node: str) -> Resources:
        pages = api.pages(Ref(POD), partial(slim, "Pod"), fieldSelector=f"spec.nodeName={node},{RUNNING}")
        items = (item for page in pages for item in objects(page, api.server, page=True))
        _, requested = read_pods(items, chosen, assumed)
        return requested.get(node, Resources())

    names = sorted(nodes)
    return dict(zip(names, in_parallel(look, names), strict=True))
