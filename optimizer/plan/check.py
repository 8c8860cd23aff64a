"""A plan carried out in memory: its end is exactly the placement, and between its steps no session is lost or extra."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from ..checks.manifests import check_manifests, requirements, running_speakers
from ..errors import InternalError
from ..kube.changes import Objects, apply_changes, key_of
from ..model import LabelSelector, Node
from ..speakers.openelb import peers as openelb
from ..speakers.openelb.kinds import PARKED_ADDRESS
from .plan import Case


def check_steps(case: Case) -> None:
    """Raise InternalError where a state has a session beyond today's and the placement's, or lacks one that is in both.

    More sessions are taken where the router's limit, or what it has today, allows them.
    """
    if case.policy.mode != "bgp":
        return
    addresses = {router.name: normal(router.address) for router in case.cluster.routers if router.address}
    limits = {addresses[each.name]: each.max_sessions for each in case.cluster.routers if each.name in addresses}
    wished: dict[str, set[str]] = {}
    for session in case.placement.sessions:
        wished.setdefault(addresses.get(session.router, ""), set()).add(session.node)
    objects = case.objects
    today = sessions(case, objects)
    states = [(step.slug, step.changes) for step in case.steps]
    states += [(f"{step.slug}, taken back,", step.undo) for step in reversed(case.steps)]
    for slug, changes in states:
        objects = apply_changes(objects, changes)
        found = sessions(case, objects)
        for address in sorted({*found, *today, *wished} - {""}):
            old, new, now = (each.get(address, set()) for each in (today, wished, found))
            if lost := sorted((old & new) - now):
                raise InternalError(f"the plan fails its own check: step {slug} ends {lost[0]} - {address}")
            more, limit = sorted(now - old - new), limits.get(address)
            if more and (limit is None or len(now) > max(limit, len(old))):
                raise InternalError(f"the plan fails its own check: step {slug} opens {more[0]} - {address}")


def check_end(case: Case) -> None:
    """Raise InternalError unless the steps, carried out in memory, give exactly the placement."""
    after = case.after
    violations = check_manifests(
        case.cluster,
        case.policy,
        case.placement,
        {name: found for (kind, _, name), found in after.items() if kind == "Node"},
        next(found for (kind, _, _), found in after.items() if kind == "DaemonSet"),
        [found for (kind, _, _), found in sorted(after.items()) if kind == "BgpPeer"],
    )
    if violations:
        raise InternalError(f"the plan fails its own check: {'; '.join(violations[:3])}")


def sessions(case: Case, objects: Objects) -> dict[str, set[str]]:
    """The nodes that peer with each address, of today's speakers and the chosen ones."""
    nodes = {name: each for (kind, _, name), each in objects.items() if kind == "Node"}
    known = {*case.cluster.today.speakers, *case.placement.speakers}
    running = dict(running_speakers({name: nodes[name] for name in sorted(known)}, objects[key_of(case.daemonset)]))
    label = case.policy.speaker.label
    labelled = frozenset(name for name, labels in running.items() if labels.get(label[0]) == label[1])
    index = openelb.Nodes([Node(*each) for each in running.items()], label, labelled, frozenset(running))
    found: dict[str, set[str]] = {}
    for (kind, _, _), peer in objects.items():
        if kind == "BgpPeer":
            address = normal(peer["spec"]["conf"]["neighborAddress"])
            found.setdefault(address, set()).update(index.select(label_selector(peer["spec"].get("nodeSelector"))))
    found.pop(PARKED_ADDRESS, None)
    return found


def label_selector(raw: Mapping[str, Any] | None) -> LabelSelector:
    """A BgpPeer's selector; absent, it selects every node as an empty one does."""
    return LabelSelector((raw or {}).get("matchLabels") or {}, requirements(raw, "matchExpressions", affinity=False))


def normal(address: str) -> str:
    """An address in its one canonical form."""
    return str(ipaddress.ip_address(address))
