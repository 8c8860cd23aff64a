"""Of which products an input holds objects and workloads, and what of those that cannot be placed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, json

from ..errors import InputError
from ..findings import Finding
from ..kube.item import Item, Items, by_name
from ..kube.kinds import DAEMONSET, DEPLOYMENT, POD, Kind
from ..kube.objects import Meta, Partial
from ..speakers import PRODUCTS, known_signs, strangers, supported, title_of
from ..speakers.product import Product
from ..speakers.signs import Signs, bears_labels, bears_name, sign_of, whose, workload_of
from ..speakers.unsupported import Unsupported
from ..words import plural
from .items import kind_key

Found = Mapping[str, Items]
"""The objects by kind (`Readable.key`), then by namespace and name."""


class Traces(Struct, frozen=True):
    """What there is of products: `owners` are the DaemonSets that are recognised, by namespace and name, each with its
    product and the sign that tells it; `products` are those that can be placed and have objects or DaemonSets."""

    owners: Mapping[tuple[str, str], tuple[str, str]]
    products: tuple[str, ...]


def traces_of(items: Found) -> Traces:
    """What an input holds of products. Raises InputError."""
    owners = owners_of(items[DAEMONSET.name])
    carried = {product for product, _ in owners.values()}
    products = [
        name
        for name, each in PRODUCTS.items()
        if name in carried or any(items.get(kind_key(kind)) for kind in each.kinds)
    ]
    return Traces(owners, tuple(products))


def owners_of(daemonsets: Items) -> dict[tuple[str, str], tuple[str, str]]:
    """Those of the DaemonSets that are recognised: whose each is, and by which sign."""
    known = known_signs()
    found = {key: whose(workload_of(item), known) for key, item in daemonsets.items()}
    return {key: owner for key, owner in found.items() if owner[0]}


def check_supported(items: Found, traces: Traces) -> None:
    """Raise InputError where all that there is belongs to products that cannot be placed."""
    if traces.products:
        return
    found = [(each, facts) for each in strangers() if (facts := [*facts_of(each, items, traces)])]
    if not found:
        return
    titles = [each.title for each, _ in found]
    what = " and ".join(told for _, facts in found for told, _ in facts[:2])
    verb = "is" if len(titles) == 1 else "are"
    file = found[0][1][0][1].file
    raise InputError(f"{file}: found {what}: {' and '.join(titles)} {verb} not supported yet; {supported()}")


def facts_of(product: Unsupported, items: Found, traces: Traces) -> Iterator[tuple[str, Item]]:
    """What there is of a product, in words, its objects first, and the first such object.

    A DaemonSet that carries the cluster's network alone is none of it.
    """
    for kind in (*product.peers, *product.kinds):
        if found := by_name(items.get(kind_key(kind)) or {}):
            yield counted(kind, found), found[0]
    if not product.network:
        yield from workloads(product, items, traces)


def workloads(product: Unsupported, items: Found, traces: Traces) -> Iterator[tuple[str, Item]]:
    """The DaemonSets of a product."""
    for key, (owner, sign) in sorted(traces.owners.items()):
        if owner == product.name:
            yield f"DaemonSet {'/'.join(key)} (by {sign})", items[DAEMONSET.name][key]


def counted(kind: Kind, found: Sequence[Item]) -> str:
    """So many objects of a kind."""
    first = "/".join(filter(None, (found[0].namespace, found[0].name)))
    return f"{plural(len(found), f'{kind.group} {kind.name}')} ({'such as ' if len(found) > 1 else ''}{first})"


def other_speakers(items: Found, traces: Traces, product: Product) -> list[Finding]:
    """The one finding where speakers of other products are there too: at a router they are one address with ours."""
    if product.name not in traces.products:
        return []
    told: list[str] = []
    for each in strangers():
        found = [(kind, objects) for kind in each.peers if (objects := by_name(items.get(kind_key(kind)) or {}))]
        if found:
            told.append(f"{each.title} ({first_of(*found[0])})")
        elif not each.network and (mine := owned_by(each, traces)):
            told.append(f"{each.title} ({DAEMONSET.name} {mine[0]})")
    findings = outdated_speakers(items, traces, product)
    if not told:
        return findings
    sentence = (
        f"besides {product.title} there is {' and '.join(told)}: where two speakers of a node peer with one router, or "
        "listen on one port, each takes the other's sessions away"
    )
    return [*findings, Finding("other-speakers", sentence)]


def outdated_speakers(items: Found, traces: Traces, product: Product) -> list[Finding]:
    """The one finding where a Deployment of a release that cannot be placed runs beside speakers of one that can."""
    if product.outdated is None or product.name not in {name for name, _ in traces.owners.values()}:
        return []
    for item in by_name(items.get(DEPLOYMENT.name) or {}):
        if sign_of(workload_of(item), product.outdated.signs):
            told = (
                f"{item.place} is of a release of {product.title} whose own pods speak BGP: at a router they are one "
                "address with the speakers of their node, and each takes the other's sessions away"
            )
            return [Finding("outdated-speakers", told, f"Deployment {item.namespace}/{item.name}")]
    return []


def assumed_among(traces: Traces) -> str:
    """What there is of other products where one is only assumed, as the end of a sentence: networks, since with more
    of a product the input is refused."""
    seen = [f"{each.title} ({DAEMONSET.name} {mine[0]})" for each in strangers() if (mine := owned_by(each, traces))]
    return f"; of other products there are: {', '.join(seen)}" if seen else ""


def owned_by(product: Unsupported, traces: Traces) -> list[str]:
    """The DaemonSets of a product by namespace and name, sorted."""
    return sorted("/".join(key) for key, (owner, _) in traces.owners.items() if owner == product.name)


def first_of(kind: Kind, found: Sequence[Item]) -> str:
    """So many objects of a kind, and the first by name, in words without brackets."""
    name = "/".join(filter(None, (found[0].namespace, found[0].name)))
    return f"{kind.group} {kind.name} {name}{f' and {len(found) - 1} more' if len(found) > 1 else ''}"


class PodObject(Partial):
    """What identifies a pod."""

    metadata: Meta


def check_outdated(items: Found, traces: Traces, product: Product) -> None:
    """Raise InputError where, in an input without any speaker, a Deployment or a pod is one of a release or product
    that cannot be placed."""
    if product.outdated:
        for item in by_name(items.get(DEPLOYMENT.name) or {}):
            if sign_of(workload_of(item), product.outdated.signs):
                raise InputError(f"{item.place} is of {product.outdated.why}")
    suspects = [(product.outdated.why, product.outdated.signs)] if product.outdated else []
    if not traces.products:
        suspects += [
            (f"{each.title}, which is not supported yet; {supported()}", each.signs)
            for each in strangers()
            if not each.network
        ]
    # Pods may be millions; those that are alike in what is looked at are judged once.
    keys = sorted({key for _, signs in suspects for each in signs.labels for key in each})
    judged: set[object] = set()
    decoder = json.Decoder(PodObject)
    for item in items[POD.name].values():
        meta = decoder.decode(item.content).metadata
        labels, owners = meta.labels or {}, meta.owner_references or ()
        alike = (meta.namespace, *[labels.get(key) for key in keys], *[(each.kind, each.name) for each in owners])
        if alike in judged:
            continue
        judged.add(alike)
        if why := next((why for why, signs in suspects if is_pod_of(meta, signs)), None):
            raise InputError(f"{item.place} is of {why}")


def is_pod_of(meta: Meta, signs: Signs) -> bool:
    """Whether a pod, by its metadata, is one of a workload with these signs: by its labels, or its owner's name."""
    if meta.labels and bears_labels(meta.labels, signs):
        return True
    return any(bears_name(meta.namespace or "", name, signs) for name in owner_names(meta))


def owner_names(meta: Meta) -> Iterable[str]:
    """The DaemonSet, or the Deployment to judge by its ReplicaSet, that owns a pod."""
    for owner in meta.owner_references or ():
        if owner.kind == "DaemonSet":
            yield owner.name
        elif owner.kind == "ReplicaSet":
            yield owner.name.rpartition("-")[0]


def choose_daemonset(daemonsets: Items, wanted: str, traces: Traces, product: Product) -> Item | None:
    """The speaker DaemonSet: the one that is `wanted`, `[namespace/]name`, or else the one that is recognised; None
    where none is. Raises InputError where that is unclear, or it is another product's."""
    if not wanted:
        mine = [item for item in by_name(daemonsets) if owner(item, traces)[0] == product.name]
        if len(mine) > 1:
            places = ", ".join(f"{item.namespace}/{item.name} by {owner(item, traces)[1]}" for item in mine)
            raise InputError(
                f"several DaemonSets may be that of {product.title}'s speakers ({places}); "
                "say which with --daemonset NAMESPACE/NAME"
            )
        return mine[0] if mine else None
    namespace, _, name = wanted.rpartition("/")
    matching = [item for item in by_name(daemonsets) if item.name == name and namespace in ("", item.namespace)]
    if len(matching) > 1:
        places = ", ".join(f"{item.namespace}/{item.name}" for item in matching)
        raise InputError(f"several DaemonSets are named {name} ({places}); say which with --daemonset NAMESPACE/NAME")
    if not matching:
        known = ", ".join(f"{namespace}/{name}" for namespace, name in sorted(daemonsets)) or "none"
        raise InputError(f"--daemonset {wanted}: no such DaemonSet in the input (there are: {known})")
    named, sign = owner(matching[0], traces)
    if named not in ("", product.name):
        raise InputError(
            f"--daemonset {wanted}: {matching[0].place} is that of {title_of(named)}, by {sign}, and not of "
            f"{product.title}; {supported()}"
        )
    return matching[0]


def owner(item: Item, traces: Traces) -> tuple[str, str]:
    """Whose a DaemonSet is, and by which sign; ("", "") where it is not recognised."""
    return traces.owners.get((item.namespace, item.name), ("", ""))
