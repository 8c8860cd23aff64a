"""Speakers whose sessions are up but that announce nothing: restarted one at a time, since they hold no route."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection

from ..errors import StoppedError
from ..kube.pods import Pod
from ..progress import Tell
from .belief import Seen
from .watch import Watch

TRIES = 5
"""Restarts after which a speaker that still announces nothing is somebody else's to look at."""


class SilentSpeakers:
    """Restarts them by `remove`. One that starts alone seldom meets a conflict, so that a few tries are enough."""

    def __init__(self, watch: Watch, remove: Callable[[Pod], object], tell: Tell) -> None:
        self.watch, self.remove, self.tell = watch, remove, tell
        # Since when pods are seen so, by uid, and how often each node's was restarted.
        self.since: dict[str, float] = {}
        self.restarted: Counter[str] = Counter()

    def restart_one(self, speakers: Collection[str], seen: Seen) -> bool:
        """Restart one of these speakers that has kept silent, when all of them run; whether one was.

        Raises StoppedError where restarts do not help, or where nobody that has started since announces anything: there
        may be nothing to announce, which only the operator can tell.
        """
        nodes = {node for node, _ in seen.mute}.intersection(speakers) - {node for node, _ in seen.sessions}
        now, pods = time.monotonic(), {node: seen.pods[node] for node in sorted(nodes)}
        self.since = {pod.metadata.uid: self.since.get(pod.metadata.uid, now) for pod in pods.values()}
        # A report that met a conflict comes a period later.
        long = [node for node, pod in pods.items() if now - self.since[pod.metadata.uid] >= 2 * self.watch.patience]
        if not long or not seen.ready.issuperset(speakers):
            return False
        node = min(long, key=lambda name: (self.restarted[name], name))
        peers = sorted(peer for name, peer in seen.mute if name == node)
        silent = f"the speaker on {node} has its sessions but announces nothing to {peers[0]}"
        vain = sum(self.restarted.values()) >= TRIES and not self.announced_since(seen)
        if self.restarted[node] >= TRIES or vain:
            raise StoppedError(
                f"{silent}, and restarts do not help; a change of a Service makes it announce that, and --allow-silent "
                "says that there is nothing to announce"
            )
        self.restarted[node] += 1
        self.tell(f"  {silent}: restarting it")
        self.remove(pods[node])
        return True

    def announced_since(self, seen: Seen) -> bool:
        """Whether any speaker that has started since the first look announces something."""
        return any(
            peer in self.watch.memory.announced and seen.pods[node].metadata.uid not in self.watch.known
            for node, peer in seen.sessions
        )
