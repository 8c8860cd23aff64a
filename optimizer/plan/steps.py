"""A step on the way to a placement, as data: what it changes, what it does to speakers and sessions, what must hold.

The same type serves the plan, the live cluster, the rollback file and the scripts. What a step does that its changes
tell is read from them; the rest is in its fields. Its name is for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from ..kube.changes import Change
from ..model import Policy

Needs = Literal["", "running", "established"]
"""What must be up: nothing, the speakers, or the speakers and their sessions."""


def needs_of(policy: Policy) -> Needs:
    """What must be up before anything is taken away."""
    return "established" if policy.mode == "bgp" else "running"


class Flow(Struct, frozen=True):
    """The sessions of one router over a step: the number `before`, those `opened` and `closed`, the most that are away
    at once meanwhile as they are `reset`, and the router's limit."""

    before: int
    opened: int = 0
    closed: int = 0
    reset: int = 0
    limit: int | None = None

    @property
    def after(self) -> int:
        """Sessions once the step is made."""
        return self.before + self.opened - self.closed

    @property
    def least(self) -> int:
        """The fewest sessions meanwhile."""
        return min(self.before, self.after) - self.reset

    @property
    def most(self) -> int:
        """The most sessions meanwhile."""
        return max(self.before, self.after)


class Step(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Changes that belong together, in batches of which one is made after the other.

    `undo` takes them back; `why_back` is why it does so, empty where there is nothing to take back. `needs` must hold
    before the step: the chosen speakers run, and for "established" the placement's sessions are up as well.
    `needs_back` is the same before `undo`, of today's speakers and sessions. `settled`: what was changed before must
    have reached the DaemonSet's controller. `current`: no speaker may have an old template by then. With the step the
    speakers on the nodes `starts` start and those on `stops` stop; `sessions` are those of the routers that it affects.
    `disturbs` says it in words.
    """

    name: str
    why: str
    batches: tuple[tuple[Change, ...], ...]
    undo: tuple[Change, ...] = ()
    needs: Needs = ""
    needs_back: Needs = ""
    settled: bool = False
    current: bool = False
    starts: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    sessions: Mapping[str, Flow] = {}
    disturbs: str = ""
    why_back: str = ""

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of all batches, in order."""
        return tuple(change for batch in self.batches for change in batch)
