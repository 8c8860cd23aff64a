"""A script such as people write: take the node that helps the most routers, until none needs help. No proof."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.peers.answer import Answer, Clock, Tell
from optimizer.checks.nodes import node_cost, overload
from optimizer.checks.placement import look_up
from optimizer.model import Cluster, Node, Placement, Policy, Router, Session


def run(cluster: Cluster, policy: Policy, _: Tell) -> Answer:
    """What the script comes to; where it gets stuck or the time ends, what it has."""
    clock = Clock(policy.time_limit)
    work = Work(cluster, policy)
    work.cover(work.nodes, clock)
    return work.answer()


class Sessions:
    """One router: its sessions so far, and what it still lacks."""

    def __init__(self, router: Router, cluster: Cluster, policy: Policy) -> None:
        asks = router.min_speakers != 0
        self.needed = max(policy.speakers_per_router, router.min_speakers or 0) if asks else 0
        self.survive = policy.survive if asks else ()
        self.own = router.domains
        self.today = set(cluster.today.sessions.get(router.name, ()))
        self.limit = router.max_sessions
        self.spare = None
        if self.limit is not None and self.today and not policy.allow_break:
            self.spare = max(0, self.limit - len(self.today))
        self.held, self.new = 0, 0
        self.inside: dict[str, Counter[str]] = {rule.kind: Counter() for rule in self.survive}

    def full(self, node: Node) -> bool:
        """Whether a session with the node would break the limit."""
        if self.limit is not None and self.held >= self.limit:
            return True
        return self.spare is not None and node.name not in self.today and self.new >= self.spare

    def helped(self, node: Node) -> bool:
        """Whether the router needs another session, and one with this node would help."""
        if self.held < self.needed:
            return True
        for rule in self.survive:
            counts = self.inside[rule.kind]
            most = max(counts.values(), default=0)
            # Unless the node is in the domain whose loss hurts most.
            if self.held - most < rule.survivors and counts.get(node.domains.get(rule.kind, ""), 0) < most:
                return True
        return False

    def open(self, node: Node) -> None:
        """One session more."""
        self.held += 1
        self.new += node.name not in self.today
        for kind, counts in self.inside.items():
            value = node.domains.get(kind)
            if value is not None and value != self.own.get(kind):
                counts[value] += 1


class Work:
    """The state of the script."""

    def __init__(self, cluster: Cluster, policy: Policy) -> None:
        self.cluster, self.policy = cluster, policy
        eligible = look_up(cluster, policy, Placement("feasible")).eligible
        self.nodes = {node.name: node for node in cluster.nodes if node.name in eligible}
        self.reach: dict[str, list[str]] = {name: [] for name in self.nodes}
        for router, names in cluster.attachments.items():
            for name in names:
                if name in self.nodes:
                    self.reach[name].append(router)
        self.routers = {router.name: Sessions(router, cluster, policy) for router in cluster.routers}
        self.running = set(cluster.today.speakers)
        self.chosen: dict[str, list[str]] = {}
        for name in policy.nodes.pin:
            if name in self.nodes:
                self.start(name)

    def weight(self, name: str) -> int:
        """What a speaker on the node costs under the first goal, at least 1."""
        first = self.policy.goals[0]
        if first == "sessions" and self.policy.peering == "all-attached":
            return len(self.reach[name])
        return max(1, node_cost(self.nodes[name], self.policy)) if first == "cost" else 1

    def wanted(self, name: str) -> list[str]:
        """The routers that a speaker on the node would help; none where it would break a limit."""
        node, routers = self.nodes[name], self.reach[name]
        helped = [router for router in routers if self.routers[router].helped(node)]
        if self.policy.peering == "selected":
            return [router for router in helped if not self.routers[router].full(node)]
        return [] if any(self.routers[router].full(node) for router in routers) else helped

    def rank(self, name: str) -> tuple[float, bool, int]:
        """The best node has the least: routers helped (for its cost), runs already, costs least."""
        helped, weight = len(self.wanted(name)), self.weight(name)
        ratio = helped / weight if self.policy.goals[0] == "cost" else helped
        return -ratio, name not in self.running, weight

    def start(self, name: str) -> None:
        """A speaker on the node, with the sessions that help and that it has room for, under all-attached with all."""
        node, routers = self.nodes[name], self.wanted(name) or self.reach[name][:1]
        if self.policy.peering == "all-attached":
            routers = self.reach[name]
        elif node.allocatable is not None or self.policy.speaker.max_sessions is not None:
            while any(overload(node, len(routers), self.policy, self.cluster)):
                routers = routers[:-1]
        self.chosen[name] = list(routers)
        for router in routers:
            self.routers[router].open(node)

    def cover(self, names: Iterable[str], clock: Clock) -> None:
        """Start speakers on some of the nodes, the best first, until no router can be helped by them.

        A node's rank mostly gets worse as others are chosen, so it is worked out again only when its turn comes.
        """
        heap = [(self.rank(name), name) for name in names if name not in self.chosen]
        heapq.heapify(heap)
        while heap and clock.left():
            before, name = heap[0]
            now = self.rank(name)
            if now[0] == 0:
                heapq.heappop(heap)
            elif now > before:
                heapq.heapreplace(heap, (now, name))
            else:
                heapq.heappop(heap)
                self.start(name)

    def answer(self) -> Answer:
        """What has been started."""
        sessions = sorted(Session(name, router) for name, routers in self.chosen.items() for router in routers)
        return Answer(tuple(sorted(self.chosen)), tuple(sessions), bounds(self.policy.goals))


def bounds(goals: Sequence[str]) -> tuple[int | None, ...]:
    """The bounds of one who proves nothing."""
    return (None,) * len(goals)
