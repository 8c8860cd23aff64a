"""What is believed of reports about sessions.

A session is believed where its speaker reports that it is up and since when, and that is later than the start of the
speaker's container (both are times of that node): a report can outlive the speaker that wrote it. Where it does not say
since when, it is believed once a speaker that is ready has had the time to write it anew.

A session alone carries no route: a speaker may have lost what it was to announce while its sessions come up. So where
speakers announce something to a router today, a session counts only when its speaker has announced something in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ..kube.pods import Pod, seconds
from ..speakers.product import PeerReport

PeerSession = tuple[str, str]
"""A session as a live cluster reports it: (node, peer object); a `Session` of the model names the router."""


class Seen(Struct, frozen=True):
    """One look: the speakers' pods by node, those that are being deleted left out, and the sessions that are
    established, as (node, peer object), of the peer objects that there are; `mute` are those in which nothing is
    announced though it should be, and that do not count."""

    pods: Mapping[str, Pod]
    leaving: frozenset[str] = frozenset()
    sessions: frozenset[PeerSession] = frozenset()
    mute: frozenset[PeerSession] = frozenset()
    peers: frozenset[str] = frozenset()

    @property
    def ready(self) -> frozenset[str]:
        """The nodes whose speaker is ready."""
        return frozenset(name for name, pod in self.pods.items() if pod.ready)


class Memory(Struct, frozen=True):
    """What earlier looks have shown.

    `since` is when each pod was first seen ready, by uid, in seconds. `doubted` are reports, with the time that they
    give, of sessions that are closed already: they stay for a while. `announced` are the peer objects of routers to
    which speakers announce something.
    """

    since: Mapping[str, float] = {}
    doubted: Mapping[PeerSession, str | None] = {}
    announced: frozenset[str] = frozenset()


class Trust(Struct, frozen=True):
    """How far reports are trusted: the seconds until one without a time is believed, and whether a session counts
    though nothing is announced in it. `first`: nothing has been changed yet, so what is reported now is old later."""

    patience: float
    allow_silent: bool = False
    first: bool = False


def believe(
    reports: Iterable[PeerReport], pods: Mapping[str, Pod], memory: Memory, now: float, trust: Trust
) -> tuple[Seen, Memory]:
    """What is seen at the time `now`, in seconds, and what is to be remembered of it."""
    since = {pod.metadata.uid: memory.since.get(pod.metadata.uid, now) for pod in pods.values() if pod.ready}
    up: dict[PeerSession, str | None] = {}
    sessions, speaking, peers = set[PeerSession](), set[PeerSession](), set[str]()
    for each in reports:
        peers.add(each.peer)
        for node, report in each.sessions.items():
            if not report.up:
                continue
            session = node, each.peer
            up[session] = report.since
            if session in memory.doubted and memory.doubted[session] == report.since:
                continue
            pod = pods.get(node)
            if pod is not None and pod.ready and is_current(report.since, pod, now - since[pod.metadata.uid], trust):
                sessions.add(session)
                if report.announces:
                    speaking.add(session)
    # What is no longer reported, or with another time, is a new session when it comes.
    still = {each: told for each, told in memory.doubted.items() if each in up and up[each] == told}
    announced = memory.announced if trust.allow_silent else memory.announced | {peer for _, peer in speaking}
    mute = frozenset(each for each in sessions - speaking if each[1] in announced)
    seen = Seen(pods, sessions=frozenset(sessions) - mute, mute=mute, peers=frozenset(peers))
    return seen, Memory(since, up if trust.first else still, announced)


def is_current(told: str | None, pod: Pod, ready_for: float, trust: Trust) -> bool:
    """Whether a report that a session is up since `told` is not older than its speaker's pod, ready for so long.

    A report without time is believed after a while, and so is one of the very second in which the pod was started:
    times are whole seconds, and it may be that of the pod before.
    """
    up = seconds(told)
    if up is None or pod.started is None or up == pod.started:
        return ready_for >= trust.patience
    return up > pod.started
