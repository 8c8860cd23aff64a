"""Random problems of ten to thirty nodes for property tests: racks of equal nodes, some of them joined.

The nodes are copies of a few, so that classes have counts, and racks are small, so that components come apart.
"""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.model import Cluster, Mode, Node, Peering, Policy, Today
from tests.instances import CLUSTER_TRAITS, KINDS, PER_RACK, node, policies, router, speakers, traits

MAX_LEAVES, MAX_NODES = 8, 30


@st.composite
def large_clusters(draw: st.DrawFn) -> Cluster:
    """A cluster of racks with one to three leaf routers each; now and then a node reaches into the next rack."""
    has = draw(traits(CLUSTER_TRAITS))
    kinds = sorted(draw(st.sets(st.sampled_from(sorted(KINDS)), min_size=1))) if "domains" in has else []
    nodes: list[Node] = []
    attachments: dict[str, list[str]] = {}
    running: list[str] = []
    sessions: dict[str, list[str]] = {}
    for _ in range(draw(st.integers(2, 4))):
        before = list(attachments)
        leaves = [f"leaf-{len(before) + i}" for i in range(draw(st.integers(1, min(3, MAX_LEAVES - len(before)))))]
        attachments |= {leaf: [] for leaf in leaves}
        if len(attachments) == MAX_LEAVES:
            break
        for _ in range(draw(st.integers(1, 3))):
            model = draw(node("n0", has, kinds))
            reached = [*leaves, *before[-draw(st.integers(0, 1)) :][:1]] if draw(st.integers(0, 3)) == 3 else leaves
            reached = reached[: draw(st.integers(1, len(reached)))] if draw(st.booleans()) else reached
            copies = draw(st.integers(2, 7))
            names = [f"n{len(nodes) + i}" for i in range(1, copies + 1)][: MAX_NODES - len(nodes)]
            nodes += [
                replace(model, name=name, labels={**model.labels, "kubernetes.io/hostname": name}) for name in names
            ]
            busy = names[: draw(st.integers(0, copies))] if "today" in has else []
            held = reached if draw(st.booleans()) else reached[:1]
            for leaf in reached:
                attachments[leaf] += names
                sessions.setdefault(leaf, []).extend(busy if leaf in held else ())
            running += busy
    return Cluster(
        settings=PER_RACK if "racks" in has else {},
        nodes=tuple(sorted(nodes, key=lambda each: each.name)),
        routers=tuple(draw(router(leaf, f"10.0.0.{i}", has, kinds)) for i, leaf in enumerate(sorted(attachments))),
        attachments={leaf: tuple(sorted(names)) for leaf, names in sorted(attachments.items())},
        speaker=draw(st.none() | speakers(has)),
        today=Today(tuple(sorted(running)), {leaf: tuple(sorted(names)) for leaf, names in sorted(sessions.items())}),
    )


@st.composite
def large_problems(draw: st.DrawFn) -> tuple[Cluster, Policy]:
    """A cluster and a policy that fits it."""
    cluster = draw(large_clusters())
    mode: Mode = draw(st.sampled_from(("bgp", "bgp", "bgp", "bgp", "layer2")))
    peering: Peering = draw(st.sampled_from(("all-attached", "selected")))
    policy = draw(policies(cluster, mode, peering))
    if mode != "bgp":
        # Layer 2 is for nodes that share one network.
        everywhere = tuple(each.name for each in cluster.nodes)
        cluster = replace(cluster, attachments=dict.fromkeys(cluster.attachments, everywhere))
    if policy.max_moves is not None:
        policy = replace(policy, max_moves=policy.max_moves * draw(st.integers(1, 4)))
    return cluster, policy
