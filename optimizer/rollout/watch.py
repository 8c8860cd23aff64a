"""What a live cluster shows of its speakers: which pods are ready, and which sessions are established since.

A session is believed where its speaker reports it ESTABLISHED and since when, and that is later than the start of the
speaker's container (both are times of that node): a report can outlive the speaker that wrote it. Where it does not say
since when, it is believed once a speaker that is ready has had the time to write it anew.

A session alone carries no route. A speaker of OpenELB that meets a conflict when it starts, since another one starts at
the same moment, begins anew and forgets what it was to announce. So where speakers announce something to a router
today, a session counts only when its speaker has sent an UPDATE in it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from msgspec import Struct, structs

from ..kube.client import Api
from ..kube.kinds import POD, Ref
from ..kube.pods import Pod, Pods, decode_page, seconds
from ..speakers import product_named


class Target(Struct, frozen=True):
    """The speaker DaemonSet in a cluster, and the label selector of its pods as a query has it."""

    namespace: str
    name: str
    uid: str
    selector: str


class Seen(Struct, frozen=True):
    """One look: the speakers' pods by node, those that are being deleted left out, and the sessions that are
    established, as (node, peer object), of the peer objects that there are; `mute` are those in which nothing is
    announced though it should be, and that do not count."""

    pods: Mapping[str, Pod]
    leaving: frozenset[str] = frozenset()
    sessions: frozenset[tuple[str, str]] = frozenset()
    mute: frozenset[tuple[str, str]] = frozenset()
    peers: frozenset[str] = frozenset()

    @property
    def ready(self) -> frozenset[str]:
        """The nodes whose speaker is ready."""
        return frozenset(name for name, pod in self.pods.items() if pod.ready)


class Watch:
    """Looks at the speakers again and again, and remembers since when each pod has been ready."""

    def __init__(self, api: Api, target: Target, with_sessions: bool, allow_silent: bool = False) -> None:
        self.api, self.target, self.with_sessions, self.product = api, target, with_sessions, product_named("")
        self.since: dict[str, float] = {}
        # Seconds until a report without time is believed.
        self.patience = float(self.product.report_period if with_sessions else 0)
        # Reports, with the time that they give, of sessions that are closed already: they stay for a while.
        self.doubted: dict[tuple[str, str], str | None] = {}
        # The peer objects of routers to which speakers announce something, and the pods of the first look by uid.
        # Where silence is allowed, sessions count as they are.
        self.announced: frozenset[str] = frozenset()
        self.known: frozenset[str] = frozenset()
        self.allow_silent = allow_silent

    def first_look(self, today: Collection[tuple[str, str]]) -> Seen:
        """What the cluster shows before anything is changed: a report without time is believed.

        `today` are the sessions that there can be by now. A report of another one is of a session that was closed
        a moment ago: should it open again, only a new report of it is believed.
        """
        seen = self.look(settled=True)
        closed = {each: self.doubted[each] for each in self.doubted if each not in today}
        self.doubted = closed
        return structs.replace(seen, sessions=seen.sessions - closed.keys())

    def look(self, settled: bool = False) -> Seen:
        """What the cluster shows now; `settled`: nothing has been changed yet, so a report without time is believed."""
        pods, leaving = self.pods()
        now = time.monotonic()
        self.since = {pod.metadata.uid: self.since.get(pod.metadata.uid, now) for pod in pods.values() if pod.ready}
        sessions: set[tuple[str, str]] = set()
        speaking: set[tuple[str, str]] = set()
        reported: dict[tuple[str, str], str | None] = {}
        peers: set[str] = set()
        if self.with_sessions:
            for peer in self.product.reports(self.api):
                peers.add(peer.peer)
                for node, report in peer.sessions.items():
                    each = node, peer.peer
                    if not report.up:
                        continue
                    reported[each] = report.since
                    if each in self.doubted and self.doubted[each] == reported[each]:
                        continue
                    pod = pods.get(node)
                    if pod and pod.ready and self.believed(pod, reported[each], 0 if settled else self.patience):
                        sessions.add(each)
                        if report.announces:
                            speaking.add(each)
        # What is no longer reported, or with another time, is a new session when it comes.
        self.doubted = (
            reported
            if settled
            else {each: since for each, since in self.doubted.items() if each in reported and reported[each] == since}
        )
        if settled:
            self.known = frozenset(pod.metadata.uid for pod in pods.values())
        if not self.allow_silent:
            self.announced |= {peer for _, peer in speaking}
        mute = frozenset(each for each in sessions - speaking if each[1] in self.announced)
        return Seen(pods, leaving, frozenset(sessions) - mute, mute, frozenset(peers))

    def pods(self) -> tuple[dict[str, Pod], frozenset[str]]:
        """The DaemonSet's pods by node, and the nodes of those that are being deleted."""
        found: dict[str, Pod] = {}
        leaving = set()
        path, query = Ref(POD, self.target.namespace), self.target.selector
        for page in self.api.pages(path, lambda page: decode_page(page, Pods), labelSelector=query):
            for pod in page.items:
                owners = pod.metadata.owner_references or ()
                if not pod.spec.node_name or all(owner.uid != self.target.uid for owner in owners):
                    continue
                if pod.metadata.deletion_timestamp is not None:
                    leaving.add(pod.spec.node_name)
                else:
                    found[pod.spec.node_name] = pod
        return found, frozenset(leaving)

    def believed(self, pod: Pod, uptime: str | None, patience: float) -> bool:
        """Whether a report that a session is established since `uptime` is not older than its speaker's pod.

        A report without time is believed `patience` seconds after the pod was first seen ready, and so is one of the
        very second in which the pod was started: times are whole seconds, and it may be that of the pod before.
        """
        up = seconds(uptime)
        if up is None or pod.started is None or up == pod.started:
            return time.monotonic() - self.since[pod.metadata.uid] >= patience
        return up > pod.started
