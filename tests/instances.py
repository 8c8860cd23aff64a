"""Tiny random problems for property tests: every rule occurs, few at a time, so that about half can be solved.

All numbers are small: a node's free CPU is counted in hundreds of millicores, and a speaker needs one or two of
them. Strategies shrink towards three plain nodes, one router and no rule but redundancy.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.model import (
    GOALS,
    SPEAKER_LABEL,
    Cluster,
    Goal,
    LabelSelector,
    Mode,
    Node,
    NodeCost,
    NodeRules,
    NodeSelectorTerm,
    Peering,
    Policy,
    Requirement,
    Resources,
    Router,
    Speaker,
    SpeakerNeeds,
    Survive,
    Taint,
    Today,
    Toleration,
)

MI = 2**20
KINDS = {"rack": ("r1", "r2", "r3"), "zone": ("a", "b", "c"), "feed": ("x", "y")}
MAX_NODES, MAX_ROUTERS, MAX_SELECTED = 6, 3, 11
"""Under `selected` every set of sessions is tried, so attachments are cut to MAX_SELECTED."""

CLUSTER_TRAITS = (
    *("domains", "router domains", "limits", "least", "room", "others", "ports", "states", "taints", "affinity"),
    *("today", "observed", "racks"),
)
POLICY_TRAITS = ("survive", "per session", "speaker limit", "avoid", "pin", "budget", "goals", "cost", "label", "free")
RACK = "openelb.kubesphere.io/rack"
PER_RACK = {"asPerRack": {"r1": 65001, "r2": 65002}}

SELECTORS = (
    LabelSelector(match_labels={"disk": "ssd"}),
    LabelSelector(match_expressions=(Requirement("disk", "DoesNotExist"),)),
    LabelSelector(match_expressions=(Requirement("kubernetes.io/hostname", "In", ("n2", "n5")),)),
)
TAINTS = (
    Taint("dedicated", "NoSchedule", "db"),
    Taint("maintenance", "NoExecute"),
    Taint("flaky", "PreferNoSchedule"),
    Taint("node.kubernetes.io/memory-pressure", "NoSchedule"),
    Taint("node.kubernetes.io/network-unavailable", "NoSchedule"),
    Taint(SPEAKER_LABEL[0], "NoSchedule", SPEAKER_LABEL[1]),
    Taint(SPEAKER_LABEL[0], "NoSchedule", "somebody else's"),
)
OURS = Requirement(SPEAKER_LABEL[0], "In", (SPEAKER_LABEL[1],))
SSD = Requirement("disk", "In", ("ssd",))
NOT_N1 = Requirement("metadata.name", "NotIn", ("n1",))
AFFINITIES: tuple[tuple[NodeSelectorTerm, ...] | None, ...] = (
    None,
    (NodeSelectorTerm((OURS,)),),
    (NodeSelectorTerm((SSD, OURS)), NodeSelectorTerm(match_fields=(NOT_N1,))),
    (NodeSelectorTerm(), NodeSelectorTerm((OURS,), (NOT_N1,))),
)


def amounts(most: int) -> st.SearchStrategy[dict[str, int]]:
    """A few of two resources beside CPU and memory."""
    return st.dictionaries(st.sampled_from(("ephemeral-storage", "example.com/nic")), st.integers(1, most))


def traits(names: tuple[str, ...]) -> st.SearchStrategy[set[str]]:
    """Which of the rules a problem has."""
    return st.sets(st.sampled_from(names), max_size=5)


@st.composite
def clusters(draw: st.DrawFn, max_attachments: int = MAX_NODES * MAX_ROUTERS) -> Cluster:
    """A cluster of 3 to 6 nodes and 1 to 3 routers with at most so many attachments."""
    has = draw(traits(CLUSTER_TRAITS))
    kinds = sorted(draw(st.sets(st.sampled_from(sorted(KINDS)), min_size=1))) if "domains" in has else []
    names = [f"n{i}" for i in range(1, draw(st.integers(3, MAX_NODES)) + 1)]
    nodes = tuple(draw(node(name, has, kinds)) for name in names)
    routers = tuple(
        draw(router(f"leaf-{i}", f"10.0.0.{i}", has, kinds)) for i in range(1, draw(st.integers(1, MAX_ROUTERS)) + 1)
    )
    # An edge that is missing is the exception, or hardly any router could be redundant.
    pairs = [(leaf.name, name) for leaf in routers for name in names]
    present = [pair for pair in pairs if draw(st.integers(0, 4)) < 4]
    while len(present) > max_attachments:
        present.pop(draw(st.integers(0, len(present) - 1)))
    attachments = {leaf.name: tuple(name for to, name in present if to == leaf.name) for leaf in routers}
    return Cluster(
        nodes=nodes,
        routers=routers,
        attachments=attachments,
        speaker=draw(st.none() | speakers(has)),
        today=draw(today(names, attachments, "observed" in has)) if "today" in has else Today(),
        settings=PER_RACK if "racks" in has else {},
    )


@st.composite
def node(draw: st.DrawFn, name: str, has: set[str], kinds: list[str]) -> Node:
    """A node; each trait that the cluster has touches some of its nodes."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    if draw(st.booleans()):
        labels["disk"] = "ssd"
    if draw(st.integers(0, 4)) == 4:
        labels["node-role.kubernetes.io/control-plane"] = ""
    if "racks" in has and (rack := draw(st.sampled_from(("r1", "r1", "r2", "r2", "r3", "")))):
        labels[RACK] = rack
    domains = {kind: draw(st.sampled_from(KINDS[kind])) for kind in kinds if draw(st.integers(0, 5)) < 5}
    state: dict[str, Any] = {}
    if "states" in has:
        plain: dict[str, Any] = {}
        state = draw(
            st.sampled_from(
                (
                    plain,
                    plain,
                    {"ready": True},
                    {"ready": False},
                    {"unschedulable": True},
                    {"deleting": True},
                    {"troubles": ("under DiskPressure",)},
                    {"troubles": ("virtual",), "unschedulable": True},
                )
            )
        )
    allocatable, requested = None, Resources()
    if "room" in has and draw(st.integers(0, 4)) < 4:
        allocatable = Resources(
            draw(st.sampled_from((1000, 1000, 700, 400, 0))), draw(st.sampled_from((1000, 400))) * MI, 3
        )
        requested = Resources(
            draw(st.integers(0, 7)) * 100, draw(st.integers(0, 4)) * 100 * MI, draw(st.integers(0, 3))
        )
        if "others" in has:
            allocatable = replace(allocatable, others=draw(amounts(4)))
            requested = replace(requested, others=draw(amounts(2)))
    return Node(
        name=name,
        labels=labels,
        taints=tuple(draw(st.lists(st.sampled_from(TAINTS), max_size=1))) if "taints" in has else (),
        allocatable=allocatable,
        requested=requested,
        taken=draw(st.sampled_from(((), (), (), ("TCP 50051",)))) if "ports" in has else (),
        domains=domains,
        **state,
    )


@st.composite
def router(draw: st.DrawFn, name: str, address: str, has: set[str], kinds: list[str]) -> Router:
    """A router, perhaps with limits and with domains of its own."""
    inside = kinds if "router domains" in has else []
    return Router(
        name=name,
        address=address,
        max_sessions=draw(st.none() | st.integers(1, 4)) if "limits" in has else None,
        min_speakers=draw(st.none() | st.integers(0, 4)) if "least" in has else None,
        domains={kind: draw(st.sampled_from(KINDS[kind])) for kind in inside if draw(st.booleans())},
    )


@st.composite
def speakers(draw: st.DrawFn, has: set[str]) -> Speaker:
    """A DaemonSet; its pod counts as one pod, as the reader gives it."""
    selector = st.sampled_from(
        ({"kubernetes.io/os": "linux"}, {"kubernetes.io/os": "linux", SPEAKER_LABEL[0]: "true"}, {"disk": "ssd"})
    )
    node_selector = draw(selector) if "affinity" in has else {}
    return Speaker(
        namespace="openelb-system",
        name="openelb-speaker",
        node_selector=node_selector,
        affinity=draw(st.sampled_from(AFFINITIES)) if "affinity" in has else None,
        tolerations=draw(
            st.sampled_from(
                ((), (Toleration("dedicated", "Equal", "db"),), (Toleration("maintenance", "Exists", "", "NoExecute"),))
            )
        ),
        requests=Resources(draw(st.sampled_from((100, 200))), 100 * MI, 1, draw(amounts(2)) if "others" in has else {}),
        host_network=draw(st.booleans()),
        manifest={"spec": {"template": {"spec": {"nodeSelector": node_selector}}}},
    )


@st.composite
def today(draw: st.DrawFn, names: list[str], attachments: dict[str, tuple[str, ...]], observed: bool) -> Today:
    """Running speakers anywhere, with most of their attached sessions, and now and then one that is not attached.

    Where it is `observed`, some speakers do not work, some sessions are reported, and the scheduler refuses some pods.
    """
    running = sorted(draw(st.sets(st.sampled_from(names), max_size=len(names))))
    sessions = {}
    for leaf, attached in attachments.items():
        likely = {name: 5 if name in attached else 1 for name in running}
        sessions[leaf] = tuple(name for name in running if draw(st.integers(0, 6)) < likely[name])
    if not observed:
        return Today(tuple(running), sessions)
    broken = {name: "not Ready" for name in running if draw(st.integers(0, 3)) == 3}
    states = {
        leaf: {name: "down" if name in broken else draw(st.sampled_from(("up", "down", ""))) for name in held}
        for leaf, held in sessions.items()
    }
    up, down = (
        {leaf: tuple(name for name in held if states[leaf][name] == state) for leaf, held in sessions.items()}
        for state in ("up", "down")
    )
    refused = {name: "no place" for name in names if name not in running and draw(st.integers(0, 4)) == 4}
    return Today(tuple(running), sessions, up, down, broken, refused)


@st.composite
def policies(draw: st.DrawFn, cluster: Cluster, mode: Mode, peering: Peering) -> Policy:
    """A policy for the cluster."""
    has = draw(traits(POLICY_TRAITS))
    kinds = sorted({kind for each in cluster.nodes for kind in each.domains})
    protected = draw(st.sets(st.sampled_from((*kinds, "chassis")), min_size=1)) if "survive" in has else set()
    goals: tuple[Goal, ...] = GOALS
    if "goals" in has:
        shuffled = draw(st.permutations(GOALS))
        # At least three, because layer 2 and VIP mode know no sessions and so pass over two of them.
        goals = tuple(shuffled[: draw(st.integers(3, len(GOALS)))])
    return Policy(
        speakers_per_router=draw(st.sampled_from((2, 2, 1, 3))),
        peering=peering,
        mode=mode,
        survive=tuple(Survive(kind, draw(st.sampled_from((1, 1, 2)))) for kind in sorted(protected)),
        speaker=draw(needs(has)),
        nodes=draw(node_rules([each.name for each in cluster.nodes], has)),
        max_moves=draw(st.integers(0, 5)) if "budget" in has else None,
        goals=goals,
        best_effort=draw(st.integers(0, 3)) == 3,
        allow_break=draw(st.booleans()),
        coverage=draw(st.booleans()) if "free" in has else None,
    )


@st.composite
def needs(draw: st.DrawFn, has: set[str]) -> SpeakerNeeds:
    """What a speaker needs, from nothing said to a cost and a limit of sessions."""
    per_session = Resources(
        draw(st.sampled_from((100, 0))), draw(st.sampled_from((50, 0))) * MI, 0, draw(st.just({}) | amounts(1))
    )
    return SpeakerNeeds(
        requests=draw(
            st.none()
            | st.builds(
                Resources, cpu=st.sampled_from((0, 200)), memory=st.just(100 * MI), others=st.just({}) | amounts(1)
            )
        ),
        per_session=per_session if "per session" in has else Resources(),
        max_sessions=draw(st.integers(1, 3)) if "speaker limit" in has else None,
        label=("example.com/bgp", "yes") if "label" in has else SPEAKER_LABEL,
    )


@st.composite
def node_rules(draw: st.DrawFn, names: list[str], has: set[str]) -> NodeRules:
    """Nodes to leave out, to prefer, to take, and what they cost; no node is both pinned and banned."""
    some = st.sets(st.sampled_from(names), min_size=1, max_size=2)
    pinned = draw(some) if "pin" in has else set()
    banned = draw(some) - pinned if "avoid" in has else set()
    selector = st.sampled_from(SELECTORS)
    costs = st.lists(st.builds(NodeCost, selector=selector, cost=st.integers(0, 3)), max_size=2)
    return NodeRules(
        exclude=tuple(draw(st.lists(selector, max_size=1))) if "avoid" in has else (),
        prefer=tuple(draw(st.lists(selector, max_size=1))) if "cost" in has else (),
        pin=tuple(sorted(pinned)),
        ban=tuple(sorted(banned)),
        cost=tuple(draw(costs)) if "cost" in has else (),
    )


@st.composite
def problems(
    draw: st.DrawFn, modes: tuple[Mode, ...] = ("bgp", "bgp", "bgp", "layer2", "vip")
) -> tuple[Cluster, Policy]:
    """A cluster and a policy that fits it."""
    mode: Mode = draw(st.sampled_from(modes))
    peering: Peering = draw(st.sampled_from(("all-attached", "selected")))
    bounded = mode == "bgp" and peering == "selected"
    cluster = draw(clusters(MAX_SELECTED) if bounded else clusters())
    if mode != "bgp" and draw(st.integers(0, 3)) < 3:
        # Layer 2 is for nodes that share one network.
        everywhere = tuple(each.name for each in cluster.nodes)
        cluster = replace(cluster, attachments={leaf.name: everywhere for leaf in cluster.routers})
    return cluster, draw(policies(cluster, mode, peering))
