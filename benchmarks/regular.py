"""Families of regular networks, whose optimum is known at every size. Two sessions a router unless said otherwise."""

from __future__ import annotations

import random

from benchmarks.instance import Instance, cluster_of, groups, node_name
from optimizer.model import Goal, Node, Peering, Policy, Router, Survive

GOALS: tuple[Goal, ...] = ("sessions", "speakers")
RACK, CHASSIS, POD = 40, 10, 8
"""Nodes of a rack, nodes of a chassis, racks of a pod."""

NOTHING: dict[str, str] = {}


def rack_nodes(rack: int, members: range) -> list[Node]:
    """The nodes of a rack, ten to a chassis; those of a chassis share one dict."""
    nodes = []
    for first in range(members.start, members.stop, CHASSIS):
        domains = {"rack": f"r{rack}", "chassis": f"c{first // CHASSIS}", "zone": f"z{rack % 3}"}
        chassis = range(first, min(first + CHASSIS, members.stop))
        nodes += [Node(node_name(i), labels=NOTHING, domains=domains) for i in chassis]
    return nodes


def single_tor(size: int, peering: Peering, _: int = 0) -> Instance:
    """Each rack under one leaf router; any chassis may fail.

    Optimum: a node has one leaf only, so each rack needs two speakers with one session each, in two chassis.
    """
    nodes, routers, attachments = [], [], {}
    racks = groups(size, RACK)
    for rack, members in enumerate(racks):
        leaf = Router(f"leaf-{rack:05d}", domains={"rack": f"r{rack}"})
        inside = rack_nodes(rack, members)
        nodes += inside
        routers.append(leaf)
        attachments[leaf.name] = tuple(node.name for node in inside)
    policy = Policy(peering=peering, survive=(Survive("chassis"),), goals=GOALS)
    return Instance("single-tor", cluster_of(nodes, routers, attachments), policy, (2 * len(racks), 2 * len(racks)))


def dual_tor(size: int, peering: Peering, _: int = 0) -> Instance:
    """Each rack under two ToR routers that take 32 sessions each; any chassis may fail.

    Optimum: two sessions for each router are reached by two speakers a rack, in two chassis, that peer with both.
    """
    nodes, routers, attachments = [], [], {}
    racks = groups(size, RACK)
    for rack, members in enumerate(racks):
        inside = rack_nodes(rack, members)
        names = tuple(node.name for node in inside)
        nodes += inside
        for side in "ab":
            routers.append(Router(f"tor-{rack:05d}-{side}", max_sessions=32, domains={"rack": f"r{rack}"}))
            attachments[routers[-1].name] = names
    policy = Policy(peering=peering, survive=(Survive("chassis"),), goals=GOALS)
    return Instance("dual-tor", cluster_of(nodes, routers, attachments), policy, (4 * len(racks), 2 * len(racks)))


def spine(size: int, peering: Peering, _: int = 0) -> Instance:
    """Pods of eight racks. A node is attached to the leaf of its rack and to one of two pairs of route servers of its
    pod, chassis in turn; any chassis and any rack may fail. Route servers ask for up to four sessions, and the caps of
    the two pairs, 10 and 6 for eight racks, add up to two speakers a rack.

    Optimum for a pod of r racks: a leaf needs two speakers of its rack, so there are at least 2r. Under all-attached
    each has three sessions, and 2r speakers fit the caps when a quarter of the racks takes both from the chassis of
    the first pair and the others one of each. Under selected the sessions are those that routers ask for.
    """
    nodes, routers, attachments = [], [], {}
    sessions = speakers = 0
    racks = groups(size, RACK)
    for pod, numbers in enumerate(groups(len(racks), POD)):
        caps = (len(numbers) + len(numbers) // 4, 2 * len(numbers) - len(numbers) - len(numbers) // 4)
        asked = [max(2, min(4, cap)) for cap in caps]
        pairs: list[list[str]] = [[], []]
        for rack in numbers:
            inside = rack_nodes(rack, racks[rack])
            nodes += inside
            routers.append(Router(f"leaf-{rack:05d}", domains={"rack": f"r{rack}"}))
            attachments[routers[-1].name] = tuple(node.name for node in inside)
            for i, node in enumerate(inside):
                pairs[i // CHASSIS % 2].append(node.name)
        for number in range(4):
            pair = number // 2
            routers.append(Router(f"rs-{pod:05d}-{number}", max_sessions=caps[pair], min_speakers=asked[pair]))
            attachments[routers[-1].name] = tuple(pairs[pair])
        speakers += 2 * len(numbers)
        sessions += 6 * len(numbers) if peering == "all-attached" else 2 * len(numbers) + 2 * sum(asked)
    policy = Policy(peering=peering, survive=(Survive("chassis"), Survive("rack")), goals=GOALS)
    return Instance("spine", cluster_of(nodes, routers, attachments), policy, (sessions, speakers))


def feeds(size: int, peering: Peering, seed: int = 0) -> Instance:
    """Rows of five racks of 20 nodes under two leaf routers that ask for three sessions. Any chassis (of five nodes),
    any rack or any power feed may fail, and when any of three zones fails two sessions must be left. Racks are in the
    zones in turn; a chassis hangs on one of two feeds at random, the first and the last of each rack on both sorts.

    Optimum: the three sessions that a router asks for are enough, from three nodes in racks of three zones that are
    not all on one feed, and they serve both routers of the row.
    """
    draw = random.Random(f"feeds-{size}-{seed}")
    nodes, routers, attachments = [], [], {}
    racks = groups(size, 20)
    rows = groups(len(racks), 5)
    for row, numbers in enumerate(rows):
        names: list[str] = []
        for rack in numbers:
            chassis = groups(len(racks[rack]), 5)
            hung = ["a", *(draw.choice("ab") for _ in chassis[1:-1]), "b"]
            for number, (feed, inside) in enumerate(zip(hung, chassis, strict=True)):
                domains = {
                    "rack": f"r{rack}",
                    "chassis": f"c{rack}-{number}",
                    "zone": f"z{rack % 3}",
                    "feed": f"f{row}{feed}",
                }
                members = [node_name(racks[rack].start + i) for i in inside]
                nodes += [Node(name, labels=NOTHING, domains=domains) for name in members]
                names += members
        for side in "ab":
            routers.append(Router(f"leaf-{row:05d}-{side}", domains={"row": f"w{row}"}))
            attachments[routers[-1].name] = tuple(names)
    survive = (Survive("chassis"), Survive("rack"), Survive("zone", 2), Survive("feed"))
    policy = Policy(speakers_per_router=3, peering=peering, survive=survive, goals=GOALS)
    return Instance("feeds", cluster_of(nodes, routers, attachments), policy, (6 * len(rows), 3 * len(rows)))


def cloud_8(size: int, peering: Peering, _: int = 0) -> Instance:
    """A pair of cloud routers with 8 peers at most, which ask for 6; see `cloud`."""
    return cloud("cloud-8", size, peering, limit=8, asked=6)


def cloud_128(size: int, peering: Peering, _: int = 0) -> Instance:
    """A pair of cloud routers with 128 peers at most, which ask for 96; see `cloud`."""
    return cloud("cloud-128", size, peering, limit=128, asked=96)


def cloud(name: str, size: int, peering: Peering, limit: int, asked: int) -> Instance:
    """All nodes attached to a pair of routers; when any one of three zones fails, two thirds of what they ask for must
    be left.

    Optimum: what they ask for is enough, a third in each zone, and the same speakers serve both.
    """
    domains = [{"zone": f"z{i}"} for i in range(3)]
    nodes = [Node(node_name(i), labels=NOTHING, domains=domains[i % 3]) for i in range(size)]
    names = tuple(node.name for node in nodes)
    routers = [Router(f"cloud-{side}", max_sessions=limit, min_speakers=asked) for side in "ab"]
    survive = (Survive("zone", asked - asked // 3),)
    policy = Policy(peering=peering, survive=survive, goals=GOALS)
    cluster = cluster_of(nodes, routers, {router.name: names for router in routers})
    return Instance(name, cluster, policy, (2 * asked, asked))
