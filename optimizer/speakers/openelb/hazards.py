"""The traps of OpenELB that an input holds, and what the steps of a change disturb: one sentence for each."""

from __future__ import annotations

from collections import Counter, defaultdict

from ...kube.changes import Delete, Patch, toleration_of
from ...kube.taints import untolerated
from ...model import PARKED_ADDRESS, RACK_LABEL, Cluster, Placement, Policy, Taint
from ...plan.restarts import is_held, restart, short_meanwhile, strategy
from ...plan.steps import Step
from ...plan.template import Style, pod_spec, restricts
from ...words import plural


def hazards(cluster: Cluster, policy: Policy, placement: Placement) -> tuple[str, ...]:
    """One sentence for each trap that the input itself holds."""
    found = []
    if policy.mode == "bgp":
        by_address: defaultdict[str, list[str]] = defaultdict(list)
        for peer in cluster.peers:
            by_address[peer.address].append(peer.name)
        found += [
            f"BgpPeers {' and '.join(sorted(names))} have one address, {address}: on nodes where only one of them "
            "matches, the other one deletes its session; an export keeps one of them"
            for address, names in sorted(by_address.items())
            if len(names) > 1
        ]
    bare = [node.name for node in cluster.nodes if RACK_LABEL not in node.labels]
    if len(bare) < len(cluster.nodes) and not cluster.as_per_rack:
        found.append(
            f"{len(cluster.nodes) - len(bare)} nodes carry the label {RACK_LABEL}, which has no effect on routes "
            "as long as the BgpConf default sets no asPerRack"
        )
    if cluster.as_per_rack and bare:
        found.append(
            f"the BgpConf default sets asPerRack, but {len(bare)} of {len(cluster.nodes)} nodes lack the label "
            f"{RACK_LABEL} (such as {', '.join(bare[:3])}): no speaker of a rack announces them as next hops"
        )
    key, value = policy.speaker.label
    if placement.speakers and cluster.speaker and not restricts(pod_spec(cluster.speaker.manifest), key, value):
        found.append(
            f"{named(cluster)} does not ask for the label {key}={value} yet, so an export changes its template "
            "(in the style taints too: taints alone keep no speaker off the other nodes); "
            f"{restart_hazard(cluster, policy, placement)}"
        )
    if cluster.speaker and is_held(cluster.speaker.manifest):
        found.append(
            f"{named(cluster)} was left held by an earlier change that was interrupted, so it restarts no pod by "
            "itself until the scripts of that change, or those of an export of this input, have run"
        )
    sessions = Counter(session.router for session in placement.sessions)
    if alone := sorted(router for router, number in sessions.items() if number == 1):
        found.append(
            f"{plural(len(alone), 'router')} with one session only, such as {alone[0]}: a restart interrupts it"
        )
    if policy.mode != "bgp" and cluster.peers and set(cluster.today.speakers) - set(placement.speakers):
        found.append(
            f"the cluster has {len(cluster.peers)} BgpPeers: to stop speakers for the mode {policy.mode} also closes "
            "their BGP sessions"
        )
    return tuple(found)


def named(cluster: Cluster) -> str:
    """The speaker DaemonSet, as sentences name it."""
    return f"DaemonSet {cluster.speaker.namespace}/{cluster.speaker.name}" if cluster.speaker else "the DaemonSet"


def restart_hazard(cluster: Cluster, policy: Policy, placement: Placement) -> str:
    """What an edit of the DaemonSet's template means for the speakers that stay."""
    manifest = cluster.speaker.manifest if cluster.speaker else None
    if manifest is not None and strategy(manifest) == "OnDelete" and not is_held(manifest):
        return "its update strategy is OnDelete, so the speakers that stay keep the old template until their pods go"
    told = f"its speakers that stay are restarted in {plural(len(restart(cluster, policy, placement).rounds), 'round')}"
    if policy.mode != "bgp":
        return f"{told}, one at a time"
    if short := short_meanwhile(cluster, policy, placement):
        number = plural(len(short), "router")
        return (
            f"{told}, and {number} with no session to spare, such as {short[0]}, "
            f"{'is' if len(short) == 1 else 'are'} one short meanwhile"
        )
    return f"{told} while those that leave still run, and every router has its sessions meanwhile"


def export_hazards(
    cluster: Cluster, policy: Policy, placement: Placement, steps: tuple[Step, ...], style: Style, helm: bool
) -> tuple[str, ...]:
    """One sentence for each disturbance that the steps bring about."""
    changes = [change for step in steps for change in step.changes]
    slugs, found = {step.slug for step in steps}, []
    if "daemonset" in slugs:
        found.append(f"the template of {named(cluster)} changes: {restart_hazard(cluster, policy, placement)}")
    elif "restart-speakers" in slugs:
        found.append(f"an earlier change has held {named(cluster)}: {restart_hazard(cluster, policy, placement)}")
    edited = {change.name for change in changes if isinstance(change, Patch) and change.kind == "BgpPeer"}
    if edited:
        found.append(
            f"{len(edited)} BgpPeers are edited: every speaker looks at them again at once, "
            "and sessions open or close where the match changed"
        )
    deleted = sorted(change.name for change in changes if isinstance(change, Delete))
    if deleted:
        found.append(
            f"BgpPeers {', '.join(deleted)} are deleted, since each has the address of another one; "
            f"they are led to {PARKED_ADDRESS} first, because a deletion closes every session of its address"
        )
    if style == "taints":
        found += taint_hazards(cluster, policy)
    if style == "affinity" and helm:
        found.append(
            "the chart of v0.6.0 shows speaker.affinity in values.yaml as a comment, but its template does not "
            "render it: check with helm template, or prefer the style node-selector"
        )
    return tuple(found)


def taint_hazards(cluster: Cluster, policy: Policy) -> list[str]:
    """What a taint does not do, and whose pods it keeps away."""
    key, value = policy.speaker.label
    taint, found = Taint(key, "NoSchedule", value), []
    found.append("taints alone keep no speaker off the other nodes, so the DaemonSet gets a node selector as well")
    strangers = []
    for manifest in cluster.daemonsets:
        metadata, pod = manifest["metadata"], pod_spec(manifest)
        place = (metadata.get("namespace", ""), metadata["name"])
        if cluster.speaker is not None and place == (cluster.speaker.namespace, cluster.speaker.name):
            continue
        given = map(toleration_of, pod.get("tolerations") or ())
        if untolerated([taint], given, bool(pod.get("hostNetwork"))):
            strangers.append("/".join(filter(None, place)))
    if strangers:
        found.append(
            f"{len(strangers)} DaemonSets do not tolerate {key}={value}:NoSchedule, so their pods are not created "
            f"again on the speakers' nodes: {', '.join(sorted(strangers)[:10])}"
        )
    return found
