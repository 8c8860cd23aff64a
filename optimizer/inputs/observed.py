"""What runs and what is up: the configured sessions beside the pods and the product's own reports.

A session is up where its speaker works and reports that it is, down where its speaker does not work or reports that it
is not, and else unknown: reports are written by every speaker into one object and get lost. A report of a speaker that
is not there says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..findings import Finding, node_of
from ..model import Cluster, Mode, Router, Today
from ..words import are, listed, plural

SILENT = "none of its sessions is up"
SHOWN = 5


def observe(cluster: Cluster, routers: Iterable[Router], sessions: Mapping[str, tuple[str, ...]], mode: Mode) -> Today:
    """Today, given the sessions that the peer objects configure for the speakers; `cluster.today` says which speakers
    there are, and which of them do not work. Outside mode bgp a speaker works whatever its sessions do."""
    today = cluster.today
    reported = reports_by_router(cluster, routers) if mode == "bgp" else {}
    speakers, up, down = set(today.speakers), dict[str, tuple[str, ...]](), dict[str, tuple[str, ...]]()
    for router, nodes in sessions.items():
        states = reported.get(router, {})
        everywhere = len(nodes) == len(speakers)
        configured = speakers if everywhere or not states else set(nodes)
        lost = {name for name, is_up in states.items() if not is_up and name in configured}
        lost.update(today.broken if everywhere else (name for name in nodes if name in today.broken))
        if lost:
            down[router] = tuple(sorted(lost))
        if seen := sorted(name for name, is_up in states.items() if is_up and name in configured and name not in lost):
            up[router] = tuple(seen)
    found = Today(today.speakers, sessions, up, down, today.broken, today.refused)
    silent = dict.fromkeys(without_session(found), SILENT)
    return Today(today.speakers, sessions, up, down, dict(sorted({**silent, **today.broken}.items())), today.refused)


def reports_by_router(cluster: Cluster, routers: Iterable[Router]) -> dict[str, dict[str, bool]]:
    """By router and node whether the session is reported up; with several objects of a router, in any of them."""
    if not cluster.reports:
        return {}
    joined = [router for router in routers if router.peer]
    # Where the product keeps objects of one address apart, they are routers of their own.
    by_peer, by_address = {each.peer: each.name for each in joined}, {each.address: each.name for each in joined}
    found: dict[str, dict[str, bool]] = {}
    for peer in cluster.peers:
        router = by_peer.get(peer.name) or by_address.get(peer.address)
        if router is None or peer.parked or peer.off:
            continue
        states = found.setdefault(router, {})
        for node, is_up in cluster.reports.get(peer.name, {}).items():
            states[node] = states.get(node, False) or is_up
    return found


def without_session(today: Today) -> list[str]:
    """The speakers that have sessions configured, all of which are reported down, and not only with routers that hold
    no session at all: that says nothing of a speaker."""
    sessions = today.sessions
    alive = {router for router, names in today.down.items() if len(names) < len(sessions[router])}
    suspect = {name for router in alive for name in today.down[router]}.difference(today.broken)
    if not suspect:
        return []
    lost = Counter(name for names in today.down.values() for name in names if name in suspect)
    # Those with every router are not gone through again for each of them.
    every = sum(map(today.everywhere, sessions))
    others = (names for router, names in sessions.items() if not today.everywhere(router))
    configured = Counter(name for names in others for name in names if name in lost)
    return [name for name, number in lost.items() if number == every + configured[name]]


def findings(today: Today, unneeded: Collection[str] = ()) -> list[Finding]:
    """What does not work today; of the routers that ask for nothing, `unneeded` ones, nothing is said."""
    found = []
    down = {router: names for router, names in today.down.items() if router not in unneeded}
    idle = [name for name, why in today.broken.items() if why == SILENT]
    unready = [name for name in today.broken if today.broken[name] != SILENT]
    if unready:
        told = [f"{name} ({today.broken[name]})" for name in unready]
        found.append(
            Finding("speaker-not-ready", counted(told, len(today.speakers), "speaker", "not Ready"), node_of(unready))
        )
    if idle:
        sentence = counted(idle, len(today.speakers), "speaker", "reported without any session that is up")
        found.append(Finding("speaker-without-session", sentence, node_of(idle)))
    down = {router: names for router, names in today.down.items() if router not in idle}
    lost = [f"{name} - {router}" for router, names in down.items() for name in names if name not in today.broken]
    if lost:
        number = sum(map(len, today.sessions.values()))
        found.append(
            Finding("session-down", counted(lost, number, "session", "reported down though the speaker works"))
        )
    dark = [router for router, names in today.sessions.items() if names and down.get(router) == names]
    if dark:
        sentence = f"{plural(len(dark), 'router')} with all configured sessions down: {listed(dark, SHOWN)}"
        one = f"router {dark[0]}" if len(dark) == 1 else ""
        found.append(Finding("router-without-session", f"{sentence}; {'is it' if one else 'are they'} up?", one))
    if today.refused:
        sentence = (
            f"the scheduler finds no place for the speaker's pod on {listed(list(today.refused), SHOWN)}, so that "
            f"{plural(len(today.refused), 'node')} {are(len(today.refused))} not eligible: kubectl describe says why"
        )
        found.append(Finding("speaker-unschedulable", sentence, node_of(list(today.refused))))
    return found


def counted(names: Sequence[str], number: int, what: str, how: str) -> str:
    """How many of them are so, with some of their names.

    >>> counted(["n1", "n2"], 4, "speaker", "not Ready")
    '2 of 4 speakers are not Ready: n1, n2'
    """
    return f"{len(names)} of {plural(number, what)} {are(len(names))} {how}: {listed(names, SHOWN)}"
