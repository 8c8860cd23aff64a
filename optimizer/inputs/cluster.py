"""Kubernetes objects as `kubectl get` prints them -> a `Cluster` without routers.

Nodes, Pods, DaemonSets and the objects of the products in `speakers` are read; other kinds are passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..errors import InputError
from ..findings import Finding
from ..kube.item import Item, by_name
from ..kube.objects import DaemonSetObject
from ..model import Cluster, Node, Speaker, Today
from ..progress import Tell, silent
from ..speakers import check_made_for, choose_product
from ..speakers.product import Product
from ..words import are, listed, plural
from .admission import as_admitted, unmodelled
from .daemonset import deleting, for_windows, on_windows, others, read_speaker, selected_by
from .gather import Found, read_objects
from .items import kind_key
from .namespaces import pods_missing
from .nodes import node_warnings
from .pods import read_pods, with_load
from .traces import assumed_among, check_outdated, check_supported, choose_daemonset, other_speakers, traces_of

SHOWN = 5
NONE_READY = "none is Ready, says the DaemonSet's status"


def read_cluster(
    inputs: Sequence[str],
    daemonset: str | None = None,
    tell: Tell = silent,
    product: str = "",
    expected: str = "",
    file: str = "",
) -> Cluster:
    """The cluster in these files and folders; `-` is stdin. `daemonset` is `[namespace/]name`.

    `product` names the speakers' product, which else the objects say; `expected` is the one that a placement was made
    for, that of `file`. Raises InputError naming file, object and field.
    """
    return build(read_objects(inputs, tell), daemonset, product, expected, file=file)


def build(
    found: Found, wanted: str | None, product: str = "", expected: str = "", live: bool = False, file: str = ""
) -> Cluster:
    """The cluster from the objects, sorted by kind; the parameters are those of `read_cluster`.

    `live`: they come from the cluster itself, with the speakers' pods alone. So where these are is known for sure, and
    nothing is taken for granted of the others.
    """
    items, nodes = found.items, found.nodes
    warnings = [*found.warnings]
    traces = traces_of(items)
    check_made_for(expected, product, file)
    if not (wanted and (product or expected)):
        check_supported(items, traces)
    maker, assumed = choose_product(traces.products, product, expected, file)
    if assumed:
        told = (
            f"nothing in the {'cluster' if live else 'input'} says which product the speakers belong to: "
            f"{maker.title} is assumed (--product names another one){assumed_among(traces)}"
        )
        warnings.append(Finding("product-assumed", told))
    chosen = choose_daemonset(items["DaemonSet"], wanted or "", traces, maker)
    speaker = read_speaker(chosen) if chosen else None
    daemonsets, odd = others(items["DaemonSet"], chosen)
    warnings += (*odd, *(deleting(chosen) if chosen else ()))
    if speaker is None:
        told = (
            f"no speaker DaemonSet in the input: {maker.title}'s own requests ({requests_of(maker)}) are assumed, "
            "and that its pods may run on every node without taints"
        )
        warnings.append(Finding("no-speaker-daemonset", told))
    pods = read_pods(items["Pod"].values(), chosen, maker, speaker.ports if speaker else ())
    # Live, a part would be known of a few nodes, where the DaemonSet selects pods of others.
    speakers, loads = pods.speakers, {} if live else pods.loads
    running = list(speakers.troubles)
    if speaker is None and not running:
        check_outdated(items, traces, maker)
    if speaker and chosen:
        speaker, added = as_admitted(speaker, chosen, pods.admitted, by_name(items["LimitRange"]))
        warnings += (*added, *unmodelled(speaker))
    if not live and not items["Pod"]:
        told = "no Pods in the input: all that is allocatable on nodes is assumed to be free"
        warnings.append(Finding("no-pods", told))
    elif not live:
        warnings += pods_missing(items["Pod"], items["DaemonSet"], chosen)
    none_ready = ""
    if not running and not live:
        none_ready = NONE_READY if is_none_ready(chosen) else ""
        known = chosen or maker.restrictable
        running = (
            expected_speakers(chosen, speaker, nodes.values(), bool(items["Pod"]), warnings) if known else [*nodes]
        )
    warnings += missing_speakers(chosen, speaker, nodes.values(), {*running, *speakers.refused}, bool(items["Pod"]))
    running = on_known_nodes(running, nodes, live, warnings)
    warnings += node_warnings(nodes.values())
    warnings += other_speakers(items, traces, maker)
    of_kind = {kind.name: items[kind_key(kind)] for kind in maker.kinds}
    peers, settings = maker.read(of_kind, warnings)
    reports = {
        report.peer: {node: session.up for node, session in report.sessions.items()}
        for report in maker.observed(of_kind)
    }
    if chosen is None and not running:
        warnings += without_speakers(reports, nodes, maker.kinds[0].name, live)
    return Cluster(
        nodes=with_load(on_windows(nodes.values()) if chosen and for_windows(chosen) else nodes.values(), loads),
        peers=peers,
        speaker=speaker,
        settings=settings,
        daemonsets=daemonsets,
        today=Today(
            speakers=tuple(sorted(set(running))),
            broken={name: why for name in sorted(running) if (why := speakers.troubles.get(name, none_ready))},
            refused={
                name: why for name, why in sorted(speakers.refused.items()) if name in nodes and name not in running
            },
        ),
        reports=reports,
        warnings=tuple(warnings),
        product=maker.name,
    )


def is_none_ready(daemonset: Item | None) -> bool:
    """Whether the DaemonSet's status says that none of its pods is Ready."""
    status = daemonset.load(DaemonSetObject).status if daemonset else None
    return status is not None and status.number_ready == 0 and bool(status.current_number_scheduled)


def missing_speakers(
    daemonset: Item | None, speaker: Speaker | None, nodes: Iterable[Node], known: Collection[str], with_pods: bool
) -> list[Finding]:
    """The nodes on which the DaemonSet wants a pod, where its status wants more of them than are `known`."""
    status = daemonset.load(DaemonSetObject).status if daemonset else None
    wanted = (status.desired_number_scheduled if status else None) or 0
    if daemonset is None or not with_pods or wanted <= len(known):
        return []
    names = [name for name in selected_by(speaker, nodes) if name not in known]
    if not names:
        return []
    told = f"{daemonset.place}: no pod of it runs on {len(names)} of {plural(wanted, 'node')} where it wants one: "
    place = f"DaemonSet {daemonset.namespace}/{daemonset.name}"
    return [Finding("speaker-missing", told + listed(names, SHOWN), place)]


def without_speakers(
    reports: Mapping[str, Collection[str]], nodes: Collection[str], kind: str, live: bool
) -> list[Finding]:
    """The finding that peer objects report sessions where there is no speaker at all, and no DaemonSet of any.

    Where there are some, reports of other nodes are left from speakers that are gone.
    """
    silent = sorted({name for sessions in reports.values() for name in sessions if name in nodes})
    if not silent:
        return []
    ask = "the cluster has no speaker: is it gone?" if live else "the input holds no speaker: was it dumped with -A?"
    told = f"{kind}s report sessions of speakers on {plural(len(silent), 'node')}, such as {silent[0]}, but {ask}"
    return [Finding("sessions-without-speakers", told, f"Node {silent[0]}" if len(silent) == 1 else "")]


def on_known_nodes(running: Collection[str], nodes: Collection[str], live: bool, warnings: list[Finding]) -> list[str]:
    """The speakers whose nodes there are. Raises InputError where a dump lacks some."""
    lost = sorted(set(running).difference(nodes))
    if lost and not live:
        raise InputError(
            f"speakers run on {plural(len(lost), 'node')} that {are(len(lost))} not in the input, such as {lost[0]}: "
            "dump all nodes, since the change would reach these speakers as well"
        )
    if lost:
        # Pods outlive their node by up to minutes.
        told = f"{plural(len(lost), 'node')} of speakers {are(len(lost))} gone, such as {lost[0]}"
        sentence = f"{told}: these speakers are assumed not to run"
        warnings.append(Finding("speaker-node-gone", sentence, f"Node {lost[0]}"))
    return [name for name in running if name in nodes]


def requests_of(product: Product) -> str:
    """What a product's speaker requests, in words."""
    return f"{product.requests.cpu}m CPU, {product.requests.memory >> 20}Mi memory"


def expected_speakers(
    daemonset: Item | None, speaker: Speaker | None, nodes: Iterable[Node], with_pods: bool, warnings: list[Finding]
) -> list[str]:
    """Where speakers run when no pod says so: where the DaemonSet selects nodes, unless its status counts no pod."""
    running = selected_by(speaker, nodes)
    status = daemonset.load(DaemonSetObject).status if daemonset else None
    if status and status.current_number_scheduled == 0:
        return []
    if status and daemonset and status.number_ready is not None:
        scheduled = status.current_number_scheduled or 0
        if status.number_ready < scheduled:
            told = (
                f"{daemonset.place}: by its status {status.number_ready} of {plural(scheduled, 'speaker')} "
                f"{are(status.number_ready)} Ready; without the pods in the input, nobody can tell which"
            )
            warnings.append(Finding("speaker-not-ready", told, f"DaemonSet {daemonset.namespace}/{daemonset.name}"))
    if with_pods and daemonset and running:
        told = (
            f"{daemonset.place}: none of its pods is in the input (were the pods of all namespaces dumped, -A?), so it "
            f"is assumed to run on {plural(len(running), 'node')}, all that it selects"
        )
        warnings.append(Finding("speaker-pods-missing", told, f"DaemonSet {daemonset.namespace}/{daemonset.name}"))
    return running
