"""Waits for evidence: until all that is to be up is up, and what is to stop has stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial

from msgspec import Struct, structs

from ..errors import StoppedError
from ..progress import Tell
from ..words import listed
from .belief import Seen
from .goal import Goal, missing, superfluous
from .silent_speakers import SilentSpeakers
from .watch import Watch, delete_pod

MOST_NAMED = 5


class Pace(Struct, frozen=True):
    """Seconds to wait for evidence without any progress, and between two looks.

    `allow_silent`: a session is evidence though its speaker announces nothing in it.
    """

    timeout: float = 300.0
    interval: float = 2.0
    allow_silent: bool = False


class Waiter:
    """Looks at the cluster until nothing is lacking.

    `lost` are the nodes that are not Ready: pods neither start nor end there. On the way `back` a session whose peer
    object somebody has deleted is not waited for. `restarts_silent`: a speaker that announces nothing is restarted.
    """

    def __init__(
        self, watch: Watch, pace: Pace, tell: Tell, lost: frozenset[str], back: bool, restarts_silent: bool
    ) -> None:
        self.watch, self.pace, self.tell, self.lost, self.back = watch, pace, tell, lost, back
        self.silent = SilentSpeakers(watch, partial(delete_pod, watch), tell) if restarts_silent else None

    def until(self, goal: Goal, gone: Collection[str] = ()) -> None:
        """Wait until all of the goal is up, and the speakers that are none of it are gone from these nodes."""
        self.wait(goal, lambda seen: [*self.missing(goal, seen), *self.superfluous(goal, seen, gone)])

    def until_the_end(self, goal: Goal) -> None:
        """Wait until all of the goal is up, and no other speaker is there but where none can stop."""
        if self.lost - goal.speakers:
            pods, leaving = self.watch.pods()
            if left := sorted((self.lost - goal.speakers).intersection({*pods, *leaving})):
                names = listed(left, MOST_NAMED)
                self.tell(f"  not waiting for speakers to stop on nodes that are not Ready: {names}")
        self.wait(goal, lambda seen: [*missing(goal, seen), *self.superfluous(goal, seen)])

    def missing(self, goal: Goal, seen: Seen) -> list[str]:
        """What is not up."""
        if self.back:
            goal = structs.replace(goal, sessions=frozenset(each for each in goal.sessions if each[1] in seen.peers))
        return missing(goal, seen)

    def superfluous(self, goal: Goal, seen: Seen, nodes: Collection[str] | None = None) -> list[str]:
        """What is still there but not to be, as far as it can go."""
        return superfluous(goal, seen, ({*seen.pods, *seen.leaving} if nodes is None else set(nodes)) - self.lost)

    def wait(self, goal: Goal, lacks: Callable[[Seen], list[str]]) -> None:
        """Wait until nothing is lacking. Raises StoppedError when there was no progress for too long."""
        # A report may need its time to be believed, which is no lack of progress.
        patience = self.pace.timeout + self.watch.patience
        least, deadline = -1, time.monotonic() + patience
        while True:
            began = time.monotonic()
            seen = self.watch.look()
            found = lacks(seen)
            if not found:
                return
            if self.silent is not None and self.silent.restart_one(goal.speakers, seen):
                least = -1  # what it had is missing again for a while
            if least < 0 or len(found) < least:
                least, deadline = len(found), time.monotonic() + patience
                self.tell(f"  waiting for {listed(found, MOST_NAMED)}")
            took = time.monotonic() - began
            if time.monotonic() >= deadline:
                raise StoppedError(
                    f"still missing after {self.pace.timeout:g} s, and {self.watch.patience:g} s that a report may "
                    f"take: {listed(found, MOST_NAMED)}"
                )
            # A look at a large cluster is dear for its API server.
            time.sleep(min(max(self.pace.interval, 2 * took), max(0.0, deadline - time.monotonic())))
