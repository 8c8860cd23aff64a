"""What a change of the speaker DaemonSet, its template, its label or its taint disturbs: one sentence for each."""

from __future__ import annotations

from collections import Counter

from ..findings import Finding, node_of
from ..kube.changes import Restart
from ..kube.parse import toleration_of
from ..kube.taints import untolerated
from ..model import Cluster, Placement, Policy, Taint
from ..speakers import product_named
from ..words import are, listed, plural
from .budget import Budget, make_budget
from .hold import is_held, strategy
from .plan import Plan
from .restarts import restart
from .template import edits_template, pod_spec, restricts

SHOWN = 5


def hazards(cluster: Cluster, policy: Policy, placement: Placement) -> tuple[Finding, ...]:
    """One finding for each trap that the input itself holds, the product's own among them."""
    product = product_named(cluster.product)
    found = [*product.hazards(cluster, policy, placement), *not_up(cluster, placement)]
    key, value = policy.speaker.label
    manifest = cluster.speaker.manifest if cluster.speaker and product.restrictable else None
    if placement.speakers and manifest and not restricts(pod_spec(manifest), key, value):
        told = (
            f"{named(cluster)} does not ask for the label {key}={value} yet, so an export changes its template "
            "(in the style taints too: taints alone keep no speaker off the other nodes); "
            f"{restart_hazard(cluster, policy, placement, make_budget(cluster, policy, placement))}"
        )
        found.append(Finding("template-changes", told, named(cluster)))
    if cluster.speaker and is_held(cluster.speaker.manifest):
        told = (
            f"{named(cluster)} was left held by an earlier change that was interrupted, so it restarts no pod by "
            "itself until the scripts of that change, or those of an export of this input, have run"
        )
        found.append(Finding("daemonset-held", told, named(cluster)))
    sessions = Counter(session.router for session in placement.sessions)
    if alone := sorted(router for router, number in sessions.items() if number == 1):
        told = f"{plural(len(alone), 'router')} with one session only, such as {alone[0]}: a restart interrupts it"
        found.append(Finding("router-with-one-session", told, f"router {alone[0]}" if len(alone) == 1 else ""))
    return tuple(found)


def not_up(cluster: Cluster, placement: Placement) -> list[Finding]:
    """The chosen speakers that do not work today, and the chosen sessions that are down, but for those with routers
    that ask for none."""
    today, found = cluster.today, list[Finding]()
    chosen = [name for name in placement.speakers if name in today.broken]
    if chosen:
        told = f"{plural(len(chosen), 'chosen speaker')} {'does' if len(chosen) == 1 else 'do'} not work today"
        names = listed([f"{name} ({today.broken[name]})" for name in chosen], SHOWN)
        sentence = f"{told}: {names}; a change waits for {'it' if len(chosen) == 1 else 'them'}"
        found.append(Finding("broken-speaker-chosen", sentence, node_of(chosen)))
    idle = {router.name for router in cluster.routers if router.min_speakers == 0}
    lost = [
        f"{each.node} - {each.router}"
        for each in placement.sessions
        if each.node not in today.broken and each.router not in idle and each.node in today.down.get(each.router, ())
    ]
    if lost:
        told = (
            f"{plural(len(lost), 'chosen session')} {are(len(lost))} down today: {listed(lost, SHOWN)}; a change waits "
            f"for {'it' if len(lost) == 1 else 'them'}, unless the topology file says minSpeakers: 0 of the router"
        )
        found.append(Finding("down-session-chosen", told))
    return found


def named(cluster: Cluster) -> str:
    """The speaker DaemonSet, as sentences name it."""
    return f"DaemonSet {cluster.speaker.namespace}/{cluster.speaker.name}" if cluster.speaker else "the DaemonSet"


def restart_hazard(cluster: Cluster, policy: Policy, placement: Placement, budget: Budget) -> str:
    """What an edit of the DaemonSet's template means for the speakers that stay."""
    manifest = cluster.speaker.manifest if cluster.speaker else None
    if manifest is not None and strategy(manifest) == "OnDelete" and not is_held(manifest):
        return "its update strategy is OnDelete, so the speakers that stay keep the old template until their pods go"
    rounds = restart(cluster, policy, placement, budget).rounds
    told = f"its speakers that stay are restarted in {plural(len(rounds), 'round')}"
    if policy.mode != "bgp":
        return f"{told}, one at a time"
    if short := budget.short:
        number = plural(len(short), "router")
        return (
            f"{told}, and {number} with no session to spare, such as {short[0]}, "
            f"{'is' if len(short) == 1 else 'are'} one short meanwhile"
        )
    return f"{told} while those that leave still run, and no router loses a session that it cannot spare"


def change_hazards(plan: Plan) -> tuple[Finding, ...]:
    """One finding for each disturbance that the steps of a plan bring about."""
    cluster, changes = plan.cluster, [change for step in plan.steps for change in step.changes]
    edited, restarted = any(map(edits_template, changes)), any(isinstance(change, Restart) for change in changes)
    found = not_up(cluster, plan.placement)
    if edited or restarted:
        what = "the template of {} changes" if edited else "an earlier change has held {}"
        hazard = restart_hazard(cluster, plan.policy, plan.placement, plan.budget)
        found.append(Finding("template-changes", f"{what.format(named(cluster))}: {hazard}", named(cluster)))
    found += plan.product.edit_hazards(changes)
    if plan.style == "taints":
        found += taint_hazards(cluster, plan.policy)
    return tuple(found)


def taint_hazards(cluster: Cluster, policy: Policy) -> list[Finding]:
    """What a taint does not do, and whose pods it keeps away."""
    key, value = policy.speaker.label
    taint = Taint(key, "NoSchedule", value)
    told = "taints alone keep no speaker off the other nodes, so the DaemonSet gets a node selector as well"
    found = [Finding("taints-alone", told, named(cluster))]
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
        do, their = ("does", "its") if len(strangers) == 1 else ("do", "their")
        told = (
            f"{plural(len(strangers), 'DaemonSet')} {do} not tolerate {key}={value}:NoSchedule, so {their} pods are "
            f"not created again on the speakers' nodes: {', '.join(sorted(strangers)[:10])}"
        )
        found.append(Finding("taint-not-tolerated", told))
    return found
