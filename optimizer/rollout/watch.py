"""Looks at a live cluster's speakers: which pods are ready, and which sessions are up since."""

from __future__ import annotations

import time
from collections.abc import Collection

from msgspec import Struct, structs

from ..errors import ConflictError, MissingError
from ..kube.client import Api
from ..kube.kinds import POD, Ref
from ..kube.pods import Pod, Pods, decode_page
from ..speakers.product import Product
from .belief import Memory, PeerSession, Seen, Trust, believe


class Target(Struct, frozen=True):
    """The speaker DaemonSet in a cluster, and the label selector of its pods as a query has it."""

    namespace: str
    name: str
    uid: str
    selector: str


class Watch:
    """Looks at the speakers again and again, and remembers what is needed to believe the next reports."""

    def __init__(
        self, api: Api, target: Target, product: Product, with_sessions: bool, allow_silent: bool = False
    ) -> None:
        self.api, self.target, self.product = api, target, product
        self.with_sessions, self.allow_silent = with_sessions, allow_silent
        # Seconds until a report without time is believed.
        self.patience = float(product.report_period if with_sessions else 0)
        self.memory = Memory()
        # The pods of the first look by uid.
        self.known: frozenset[str] = frozenset()

    def first_look(self, today: Collection[PeerSession]) -> Seen:
        """What the cluster shows before anything is changed: a report without time is believed.

        `today` are the sessions that there can be by now. A report of another one is of a session that was closed
        a moment ago: should it open again, only a new report of it is believed.
        """
        seen = self.look(first=True)
        closed = {each: since for each, since in self.memory.doubted.items() if each not in today}
        self.memory = structs.replace(self.memory, doubted=closed)
        self.known = frozenset(pod.metadata.uid for pod in seen.pods.values())
        return structs.replace(seen, sessions=seen.sessions - closed.keys())

    def look(self, first: bool = False) -> Seen:
        """What the cluster shows now; `first`: nothing has been changed yet. Raises LiveError."""
        pods, leaving = self.pods()
        trust = Trust(0.0 if first else self.patience, self.allow_silent, first)
        reports = self.product.reports(self.api) if self.with_sessions else ()
        seen, self.memory = believe(reports, pods, self.memory, time.monotonic(), trust)
        return structs.replace(seen, leaving=leaving)

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


def delete_pod(watch: Watch, pod: Pod) -> bool:
    """Delete a speaker's pod, if it is still this one; whether it was. The DaemonSet makes another one."""
    try:
        watch.api.delete(Ref(POD, watch.target.namespace, pod.metadata.name), uid=pod.metadata.uid)
    except (MissingError, ConflictError):
        return False
    return True
