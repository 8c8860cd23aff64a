"""The main job on a live cluster, where what pods request is looked up only on the nodes that are chosen.

The pods are most of a cluster, and the room of nearly all nodes matters to nobody.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from itertools import islice

from msgspec import structs

from ..checks.nodes import overload
from ..checks.placement import check_placement
from ..findings import Finding
from ..inputs.live import read_live, with_room
from ..inputs.routers import NO_FILES, Places, with_topology
from ..inputs.topology import Topology, check_speaker_label
from ..kube.client import Api
from ..model import Cluster, Placement, Policy
from ..progress import Tell, silent
from ..search.eligibility import judgement
from ..words import plural
from .optimize import best, with_reasons

LEAST_SHARE = 0.1
"""The part of the time limit that every round gets at least."""


def without_head_room(policy: Policy) -> Policy:
    """The policy that a live cluster is asked: how full a node is, is no cost.

    A node that was not looked at seems empty, so the cost would draw the search to ever new nodes.
    """
    return structs.replace(policy, nodes=structs.replace(policy.nodes, head_room=False))


def optimize_live(
    api: Api,
    policy: Policy,
    topology: Topology,
    progress: Tell = silent,
    product: str = "",
    places: Places = NO_FILES,
) -> tuple[Cluster, Placement, int]:
    """The cluster as far as it was looked at, its placement `without_head_room`, and the rounds that it took.

    `product` names the speakers' product, whatever the cluster's objects say; `places` is for sentences.

    In each round the pods on the chosen nodes are looked up, until the placement holds with what they request. It is
    the best of the whole cluster then, and so are the bounds: nodes that were not looked at were only assumed to be
    emptier than they are, so that with what they really hold there would be fewer placements to choose from, none of
    them with a smaller value, and this one among them. That takes two things for granted:

    - A speaker that stops is a move where its node could keep it. On full nodes, which it has to leave, it is none.
      That adds the same number to the moves of all placements, so the best stays the best; but with a budget of
      moves the nodes of all running speakers are looked at first.
    - Outside mode bgp the nodes that could be chosen also say which failure domains count. So before such a
      request is called infeasible, all of them are looked at.

    Rounds share the time limit, though none gets less than a tenth. Raises what `optimize` and `read_live` raise.
    """
    api.tell = progress
    asked = without_head_room(policy)
    check_speaker_label(topology, policy.speaker.label[0])
    live = read_live(api, policy.speaker.daemonset, progress, product)
    cluster = with_topology(live.cluster, topology, policy, places)
    looked: set[str] = set()

    def look(names: Collection[str]) -> Cluster:
        looked.update(names)
        return with_room(api, cluster, names, live, progress) if names else cluster

    first = {*policy.nodes.pin, *(cluster.today.working if policy.max_moves is not None else ())}
    cluster = look(first.intersection(node.name for node in cluster.nodes))
    left, rounds = policy.time_limit, 0
    while True:
        rounds += 1
        begun = time.monotonic()
        limit = max(left, policy.time_limit * LEAST_SHARE)
        problem, placement = best(cluster, structs.replace(asked, time_limit=limit), progress)
        left -= time.monotonic() - begun
        new = set(placement.speakers) - looked
        if placement.status == "infeasible" and policy.mode != "bgp":
            judge = judgement(cluster, asked)
            new = {node.name for node in cluster.nodes if not judge(node).against} - looked
        if new:
            cluster = look(new)
            if placement.status == "infeasible" or check_placement(cluster, asked, placement):
                progress(f"round {rounds}: not all of the {plural(len(new), 'node')} looked at have room")
                full = overloaded(cluster, asked, placement, new)
                cluster = look(alternatives(cluster, asked, full, looked, 2**rounds))
                continue
        placement = with_reasons(cluster, asked, problem, placement)
        told = notes(policy, len(looked), len(cluster.nodes), rounds)
        return cluster, structs.replace(placement, warnings=(*placement.warnings, *told)), rounds


def overloaded(cluster: Cluster, policy: Policy, placement: Placement, names: Collection[str]) -> set[str]:
    """Those of the nodes that have no room for their speaker."""
    held = Counter(session.node for session in placement.sessions)
    nodes = (node for node in cluster.nodes if node.name in names)
    return {node.name for node in nodes if any(overload(node, held[node.name], policy, cluster))}


def alternatives(cluster: Cluster, policy: Policy, full: set[str], looked: set[str], number: int) -> set[str]:
    """For each router of a node that is full, the next so many nodes that could be chosen instead.

    Where most nodes are full, a search for two speakers would otherwise look at two more in each round.
    """
    judge = judgement(cluster, policy)
    usable = {node.name for node in cluster.nodes if not judge(node).against} - looked
    groups = set(cluster.attachments.values()) if policy.mode == "bgp" else {tuple(sorted(usable))}
    found: set[str] = set()
    for names in groups:
        if full and (policy.mode != "bgp" or not full.isdisjoint(names)):
            found.update(islice((name for name in names if name in usable), number))
    return found


def notes(policy: Policy, looked: int, nodes: int, rounds: int) -> list[Finding]:
    """What is different from a placement on a dump of everything."""
    told = (
        f"room was looked up on {looked} of {plural(nodes, 'node')} in {plural(rounds, 'round')}; the others are "
        "assumed to have room"
    )
    found = [Finding("room-looked-up", told)]
    if policy.nodes.head_room and "cost" in policy.goals:
        told = "how full a node is does not count in the cost of a live cluster (nodes.headRoom: false)"
        found.append(Finding("head-room-ignored", told))
    return found
