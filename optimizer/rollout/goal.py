"""What is to be up, and what of it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from msgspec import Struct

from .belief import PeerSession, Seen


class Goal(Struct, frozen=True):
    """What is to be up: speakers by node, and sessions as (node, peer object).

    `kept` are the sessions that a restart has to leave each peer object's router, as far as it has `levels` of them.
    """

    speakers: frozenset[str]
    sessions: frozenset[PeerSession]
    kept: Mapping[str, int] = {}
    levels: Mapping[str, int] = {}

    def of(self, nodes: Collection[str]) -> Goal:
        """The part of the goal that these nodes have."""
        names = self.speakers.intersection(nodes)
        return Goal(names, frozenset(each for each in self.sessions if each[0] in names), self.kept, self.levels)


def missing(goal: Goal, seen: Seen) -> list[str]:
    """The speakers and sessions of a goal that are not up, sorted."""
    speakers = goal.speakers - seen.ready
    sessions = sorted(goal.sessions - seen.sessions)
    return [
        *(f"the speaker on {name}" for name in sorted(speakers)),
        *(
            f"{'an announcement in ' if (node, peer) in seen.mute else ''}the session {node} - {peer}"
            for node, peer in sessions
        ),
    ]


def superfluous(goal: Goal, seen: Seen, nodes: Collection[str] | None = None) -> list[str]:
    """The speakers, on all nodes or on these, that are still there but not to be."""
    there = {*seen.pods, *seen.leaving} - goal.speakers
    return [f"speaker on {name} to stop" for name in sorted(there if nodes is None else there.intersection(nodes))]


def not_spared(goal: Goal, seen: Seen, names: Collection[str]) -> list[str]:
    """The routers that would be left with too little if these speakers restarted now."""
    met = Counter(peer for node, peer in seen.sessions if node in names)
    has = Counter(peer for _, peer in seen.sessions)
    return [
        f"a session of {peer} to spare"
        for peer in sorted(met)
        if has[peer] - met[peer] < min(goal.kept.get(peer, 0), goal.levels.get(peer, 0) - met[peer])
    ]
