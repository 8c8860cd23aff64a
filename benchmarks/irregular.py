"""Families where hardly two nodes or regions are alike."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.instance import Instance, cluster_of, groups, node_name
from benchmarks.regular import GOALS, NOTHING, RACK, rack_nodes
from optimizer.model import Goal, Node, Peering, Policy, Resources, Router, SpeakerNeeds, Survive, Today

CHANGED_GOALS: tuple[Goal, ...] = ("sessions", "speakers", "moves")
GIB = 2**30


def irregular(size: int, peering: Peering, seed: int = 0) -> Instance:
    """Every node attached to 2 to 6 routers at random, any of six zones may fail. 200 routers for 5,000 nodes and 500
    for 20,000, in between and beyond by the same power. The optimum is not known."""
    draw = random.Random(f"irregular-{size}-{seed}")
    number = max(6, round(200 * (size / 5000) ** (math.log(2.5) / math.log(4))))
    routers = [f"router-{i:05d}" for i in range(number)]
    attachments: dict[str, list[str]] = {name: [] for name in routers}
    zones = [{"zone": f"z{i}"} for i in range(6)]
    nodes = [Node(node_name(i), labels=NOTHING, domains=draw.choice(zones)) for i in range(size)]
    for node in nodes:
        for name in draw.sample(routers, draw.randint(2, 6)):
            attachments[name].append(node.name)
    policy = Policy(peering=peering, survive=(Survive("zone"),), goals=GOALS)
    return Instance("irregular", cluster_of(nodes, [Router(name) for name in routers], attachments), policy)


def nearly_full(size: int, peering: Peering, seed: int = 0) -> Instance:
    """Regions of 400 nodes in racks of ten under eight routers; a node is attached to 2 to 4 of them. A speaker
    requests 100m CPU and 100m for each session. Every seventh node has room for all its sessions, and these nodes reach
    every router from two racks, so that there is an answer; the others have room for one or for none. Any rack may
    fail. The optimum is not known."""
    draw = random.Random(f"nearly-full-{size}-{seed}")
    nodes, attachments = [], dict[str, list[str]]()
    allocatable = Resources(cpu=64_000, memory=256 * GIB, pods=110)
    for region, members in enumerate(groups(size, 400)):
        routers = [f"router-{region:05d}-{i}" for i in range(8)]
        for i in members:
            chosen = draw.sample(routers, draw.randint(2, 4))
            free = draw.choice((0, 50, 100, 200))
            if i % 7 == 0:
                sure = [routers[i // 7 % 8], routers[(i // 7 + 1) % 8]]
                chosen = [*sure, *(name for name in chosen[2:] if name not in sure)]
                free = 100 + 100 * len(chosen)
            requested = Resources(cpu=allocatable.cpu - free, memory=200 * GIB, pods=60)
            domains = {"rack": f"r{i // 10}"}
            nodes.append(
                Node(node_name(i), labels=NOTHING, allocatable=allocatable, requested=requested, domains=domains)
            )
            for name in chosen:
                attachments.setdefault(name, []).append(nodes[-1].name)
    needs = SpeakerNeeds(requests=Resources(100, 100 * 2**20), per_session=Resources(cpu=100))
    policy = Policy(peering=peering, survive=(Survive("rack"),), speaker=needs, goals=GOALS)
    return Instance("nearly-full", cluster_of(nodes, [Router(name) for name in attachments], attachments), policy)


def changed(size: int, peering: Peering, seed: int = 0) -> Instance:
    """The dual-ToR network, running an optimum with two speakers in each rack; then one node in a hundred goes, half of
    them speakers, and as many new ones come.

    Optimum: two speakers a rack hold four sessions, as before. Each speaker that went has to be replaced by one that
    starts in its rack, and that is all that moves.
    """
    draw = random.Random(f"changed-{size}-{seed}")
    racks = groups(size, RACK)
    speakers = [node_name(members[i]) for members in racks for i in (0, 10)]
    gone, new = replaced(draw, size, speakers, racks)
    routers, nodes, attachments = [], [], dict[str, tuple[str, ...]]()
    for rack, members in enumerate(racks):
        inside = [node for node in rack_nodes(rack, members) if node.name not in gone]
        like = inside[-1].domains
        inside += [Node(name, labels=NOTHING, domains=like) for name in new.get(rack, ())]
        nodes += inside
        for side in "ab":
            routers.append(Router(f"tor-{rack:05d}-{side}", max_sessions=32, domains={"rack": f"r{rack}"}))
            attachments[routers[-1].name] = tuple(node.name for node in inside)
    today = running(speakers, gone, attachments)
    policy = Policy(peering=peering, survive=(Survive("chassis"),), goals=CHANGED_GOALS)
    known = (4 * len(racks), 2 * len(racks), len(gone.intersection(speakers)))
    return Instance("changed", cluster_of(nodes, routers, attachments, today), policy, known)


def changed_irregular(size: int, peering: Peering, seed: int = 0) -> Instance:
    """Regions of 200 nodes under 12 routers, a node attached to 2 to 6 of them; any of six zones may fail. Four nodes
    of each region are planted, attached to six routers each so that every router has two of them in different zones;
    they run today, which was the optimum. Then one node in a hundred goes, half of them speakers, and as many come.

    That the planted ones were the optimum: 24 sessions are what the routers of a region ask for, and nobody holds more
    than six. After the change it is not known.
    """
    draw = random.Random(f"changed-irregular-{size}-{seed}")
    regions = groups(size, 200)
    zones = [{"zone": f"z{i}"} for i in range(6)]
    places: dict[str, tuple[dict[str, str], Sequence[str]]] = {}
    speakers, reach = [], []
    for region, members in enumerate(regions):
        routers = [f"router-{region:05d}-{i:02d}" for i in range(12)]
        reach.append(routers)
        for i in members:
            places[node_name(i)] = (draw.choice(zones), draw.sample(routers, draw.randint(2, 6)))
        for turn in range(2):
            order = draw.sample(routers, 12)
            for half, i in enumerate(draw.sample(members[turn::2], 2)):
                places[node_name(i)] = (zones[2 * turn + half], order[6 * half : 6 * half + 6])
                speakers.append(node_name(i))
    gone, new = replaced(draw, size, speakers, regions)
    for region, names in sorted(new.items()):
        places |= {name: (draw.choice(zones), draw.sample(reach[region], draw.randint(2, 6))) for name in names}
    attachments: dict[str, list[str]] = {name: [] for routers in reach for name in routers}
    nodes = [Node(name, labels=NOTHING, domains=domains) for name, (domains, _) in places.items() if name not in gone]
    for node in nodes:
        for router in places[node.name][1]:
            attachments[router].append(node.name)
    today = running(speakers, gone, attachments)
    policy = Policy(peering=peering, survive=(Survive("zone"),), goals=CHANGED_GOALS)
    cluster = cluster_of(nodes, [Router(name) for name in attachments], attachments, today)
    return Instance("changed-irregular", cluster, policy)


def replaced(
    draw: random.Random, size: int, speakers: Sequence[str], parts: Sequence[range]
) -> tuple[set[str], dict[int, list[str]]]:
    """The nodes that go, one in a hundred, and as many new ones by the number of the part that they come to."""
    number, running_now = max(2, size // 100), set(speakers)
    gone = set(draw.sample(speakers, min(number // 2, len(speakers) // 2)))
    others = [name for name in map(node_name, range(size)) if name not in running_now]
    gone.update(draw.sample(others, number - len(gone)))
    new: dict[int, list[str]] = {}
    for i in range(number):
        new.setdefault(draw.randrange(len(parts)), []).append(f"new-{i:07d}")
    return gone, new


def running(speakers: Iterable[str], gone: set[str], attachments: Mapping[str, Sequence[str]]) -> Today:
    """Today: the speakers that are left, each with a session with all its routers."""
    left = set(speakers) - gone
    held = {router: tuple(name for name in sorted(names) if name in left) for router, names in attachments.items()}
    return Today(tuple(sorted(left)), held)
