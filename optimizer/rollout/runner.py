"""Carries changes out on a live cluster: waits for evidence before anything is taken away."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial

from msgspec import structs

from ..errors import ForeignError
from ..kube.changes import Change, Label, Patch, Restart
from ..kube.pods import Pod
from ..plan.steps import Step
from ..plan.template import edits_template
from ..progress import Tell
from ..words import plural
from .goal import Goal, not_spared
from .revisions import newest_revision
from .stages import MAX_PARALLEL, chunks
from .waiting import MOST_NAMED, Pace, Waiter
from .watch import Watch, delete_pod
from .writer import Writer, raise_first

SETTLED = 3
"""Looks, by their interval, that the DaemonSet's controller is given to hear of a change."""


class Runner:
    """Makes changes one after another, and says where it stands.

    `lost` are the nodes that are not Ready. `restarts_silent`: a speaker that announces nothing is restarted.
    """

    def __init__(
        self,
        watch: Watch,
        writer: Writer,
        pace: Pace,
        tell: Tell,
        lost: frozenset[str] = frozenset(),
        restarts_silent: bool = True,
    ) -> None:
        self.watch, self.writer, self.pace, self.tell = watch, writer, pace, tell
        self.waiter = Waiter(watch, pace, tell, lost, writer.back, restarts_silent)
        self.turns = watch.product.turns(watch.api, pace.interval, tell)
        self._at = "before the first change"

    @property
    def at(self) -> str:
        """Where it stands, in a few words."""
        return self._at

    def begin(self, at: str, why: str) -> None:
        """Begin a step."""
        self._at = at
        self.tell(f"{at}: {why}")

    def finish(self, goal: Goal) -> None:
        """Wait until all is as it is to be in the end."""
        self._at = "the last look"
        if self.writer.back:
            self.waiter.until(goal)
        else:
            self.waiter.until_the_end(goal)

    def run(self, steps: Iterable[Step], goal: Goal) -> None:
        """Carry out the steps, up to the last look. Raises StoppedError, ForeignError and LiveError."""
        steps = [step for step in steps if step.batches]
        # Labels start speakers only where the DaemonSet asks for them already.
        asks = not any(edits_template(change) for step in steps for change in step.changes)
        held = any(step.current for step in steps)
        for number, step in enumerate(steps, 1):
            self.begin(f"step {number} of {len(steps)} ({step.name})", step.why)
            if step.needs:
                self.waiter.until(goal)
            # Somebody else may have changed the template meanwhile. A DaemonSet that is let go would restart what still
            # has an old one, and wait for no session; before anything stops, there are sessions to spare.
            while held and step.needs and self.renew(goal):
                self.waiter.until(goal)
            if step.settled:
                self.settle()
            self.make_batches(step, goal, asks)
        self.finish(goal)

    def make_batches(self, step: Step, goal: Goal, asks: bool) -> None:
        """Make the changes of a step; between two batches what has been started is up, and what stops has stopped.

        `asks`: the DaemonSet asks for the label, so that a label starts a speaker.
        """
        starts = asks and any(map(is_label, step.changes))
        done: set[str] = set()
        for index, batch in enumerate(step.batches):
            if index and step.stops:
                self.waiter.until(goal, frozenset(done))
                done.clear()
            elif index and starts:
                self.waiter.until(goal.of(done))
            made = sum(self.make(change, goal, starts=starts) for change in batch)
            done.update(name for change in batch if isinstance(change, Label) for name in change.nodes)
            self.tell(f"  batch {index + 1} of {len(step.batches)}: {plural(made, 'object')} changed")

    def make(self, change: Change, goal: Goal, starts: bool = False, later: Sequence[Patch] = ()) -> int:
        """Make one change; how many objects it has changed, or speakers it has restarted.

        `starts`: a label starts a speaker. `later` are the changes of the same object that are still to come.
        """
        if isinstance(change, Restart):
            return sum(self.restart(names, goal) for names in change.rounds)
        if starts and isinstance(change, Label) and is_label(change):
            return self.start(change)
        return self.writer.make(change, later)

    def start(self, change: Label) -> int:
        """Label nodes whose speakers start, one after another where they say when they have got through.

        A node that somebody else has changed keeps no other from being changed; it is raised in the end.
        """
        if not self.watch.with_sessions or not self.turns.begin():
            return self.writer.make(change)
        pods, leaving = self.watch.pods()
        there = {*pods, *leaving, *self.waiter.lost}
        parts = [tuple(name for name in change.nodes if name in there)]
        parts += [(name,) for name in change.nodes if name not in there]
        made, foreign = 0, list[ForeignError]()
        for index, names in enumerate(parts):
            act = partial(self.writer.make, structs.replace(change, nodes=names))
            try:
                made += self.turns.take(names[0], act) if index else act()
            except ForeignError as error:
                foreign.append(error)
        raise_first(foreign)
        return made

    def start_again(self, change: Label, goal: Goal) -> int:
        """Label nodes whose speakers are to start, in batches."""
        made, parts, foreign = 0, chunks(change.nodes, MAX_PARALLEL), list[ForeignError]()
        for index, part in enumerate(parts):
            try:
                made += self.start(structs.replace(change, nodes=part))
            except ForeignError as error:
                foreign.append(error)
            if index + 1 < len(parts):
                self.waiter.until(goal.of(part))
        if foreign:
            raise foreign[0]
        return made

    def settle(self) -> None:
        """Give the DaemonSet's controller time to see the labels before the template asks for them, and the template
        before the labels go: it hears of nodes and of DaemonSets apart, and stops what seems to be on other nodes."""
        self.newest_revision()
        time.sleep(SETTLED * self.pace.interval)

    def restart(self, names: Iterable[str], goal: Goal) -> int:
        """Restart the speakers of one round that have an old template, once all that is to be up is up."""
        old = self.outdated(names)
        if not old:
            return 0
        self.waiter.wait(goal, lambda seen: [*self.waiter.missing(goal, seen), *not_spared(goal, seen, old)])
        self.tell(f"  restarting {plural(len(old), 'speaker')}: {', '.join([*old][:MOST_NAMED])}")
        turns, rest = self.watch.with_sessions and self.turns.begin(), dict(old)
        for name, pod in old.items():
            if turns and len(rest) < len(old):
                # Turns take their time, in which a router may lose what it had to spare.
                self.waiter.wait(goal, lambda seen: not_spared(goal, seen, rest))
            del rest[name]
            if turns:
                self.turns.take(name, partial(delete_pod, self.watch, pod))
            else:
                delete_pod(self.watch, pod)
        return len(old)

    def renew(self, goal: Goal) -> int:
        """Restart one by one the speakers that still have an old template; how many."""
        return self.make(Restart(tuple((name,) for name in self.outdated(goal.speakers))), goal)

    def outdated(self, names: Iterable[str]) -> dict[str, Pod]:
        """The pods of the speakers on these nodes that have an old template, by node."""
        newest = self.newest_revision()
        pods, _ = self.watch.pods()
        return {name: pods[name] for name in sorted(names) if name in pods and pods[name].revision != newest}

    def newest_revision(self) -> str:
        """The hash of the DaemonSet's template as it is now, once its controller has seen it."""
        return newest_revision(self.watch.api, self.watch.target, self.pace.timeout, self.pace.interval)


def is_label(change: Change) -> bool:
    """Whether a change labels nodes, and does not take labels away."""
    return isinstance(change, Label) and change.value is not None
