"""Carries changes out on a live cluster: waits for evidence before anything is taken away."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from msgspec import Struct, structs

from ..errors import ConflictError, ForeignError, MissingError, StoppedError
from ..kube.changes import Change, Label, Restart
from ..kube.client import Api
from ..kube.kinds import POD, Ref
from ..kube.pods import Pod
from ..progress import Tell
from ..speakers.openelb.turns import Turns
from ..words import listed, plural
from .revisions import newest_revision
from .silent_speakers import Silence
from .stages import MAX_PARALLEL, Stage, chunks
from .watch import Seen, Target, Watch
from .writer import Changes, raise_first

MOST_NAMED = 5
SETTLED = 3
"""Looks, by their interval, that the DaemonSet's controller is given to hear of a change."""


class Pace(Struct, frozen=True):
    """Seconds to wait for evidence without any progress, and between two looks.

    `allow_silent`: a session is evidence though its speaker announces nothing in it.
    """

    timeout: float = 300.0
    interval: float = 2.0
    allow_silent: bool = False


class Goal(Struct, frozen=True):
    """What is to be up: speakers by node, and sessions as (node, peer object).

    `kept` are the sessions that a restart has to leave each peer object's router, as far as it has `levels` of them.
    """

    speakers: frozenset[str]
    sessions: frozenset[tuple[str, str]]
    kept: Mapping[str, int] = {}
    levels: Mapping[str, int] = {}

    def of(self, nodes: Collection[str]) -> Goal:
        """The part of the goal that these nodes have."""
        names = self.speakers.intersection(nodes)
        return Goal(names, frozenset(each for each in self.sessions if each[0] in names), self.kept, self.levels)


class Mover:
    """Makes changes one after another. `at` says where it stands."""

    def __init__(
        self,
        api: Api,
        target: Target,
        watch: Watch,
        changes: Changes,
        pace: Pace,
        tell: Tell,
        lost: frozenset[str] = frozenset(),
    ) -> None:
        # Nodes that are not Ready: pods neither start nor end there.
        self.lost = lost
        self.api, self.target, self.watch, self.changes = api, target, watch, changes
        self.pace, self.tell, self.at = pace, tell, "before the first change"
        self.restarts_silent = True
        self.turns, self.silence = Turns(api, pace.interval, tell), Silence(watch, self.remove, tell)

    def run(self, stages: Iterable[Stage], goal: Goal) -> None:
        """Carry out the stages. Raises StoppedError, ForeignError and LiveError."""
        stages = [stage for stage in stages if stage.batches]
        edits, held = (any(stage.slug == slug for stage in stages) for slug in ("daemonset", "resume-restarts"))
        labelled: set[str] = set()
        for number, stage in enumerate(stages, 1):
            self.at = f"step {number} of {len(stages)} ({stage.slug})"
            self.tell(f"{self.at}: {stage.why}")
            if stage.wait:
                self.wait_for(goal)
            # Somebody else may have changed the template meanwhile. A DaemonSet that is let go would restart what still
            # has an old one, and wait for no session; before anything stops, there are sessions to spare.
            while held and stage.wait and self.renew(goal):
                self.wait_for(goal)
            if stage.slug == "daemonset":
                self.settle()
            stopped: set[str] = set()
            for index, batch in enumerate(stage.batches):
                # Labels start speakers only where the DaemonSet asks for them already.
                if index and stage.slug == "label-speakers" and not edits:
                    self.wait_for(goal.of(labelled))
                elif index and stage.slug == "unlabel-nodes":
                    self.wait_for(goal, frozenset(stopped))
                    stopped.clear()
                starts = stage.slug == "label-speakers" and not edits
                made = sum((self.start if starts else self.make)(change, goal) for change in batch)
                stopped.update(name for change in batch if isinstance(change, Label) for name in change.nodes)
                labelled |= stopped
                self.tell(f"  batch {index + 1} of {len(stage.batches)}: {plural(made, 'object')} changed")
        self.at = "the last look"
        if self.lost - goal.speakers:
            pods, leaving = self.watch.pods()
            if left := sorted((self.lost - goal.speakers).intersection({*pods, *leaving})):
                names = listed(left, MOST_NAMED)
                self.tell(f"  not waiting for the end of speakers on nodes that are not Ready: {names}")
        self.wait(goal, lambda seen: [*missing(goal, seen), *self.superfluous(goal, seen)])

    def make(self, change: Change, goal: Goal) -> int:
        """Make one change; how many objects it has changed, or speakers it has restarted."""
        if isinstance(change, Restart):
            return sum(self.restart(names, goal) for names in change.rounds)
        return self.changes.make(change)

    def start(self, change: Change, goal: Goal) -> int:
        """Make a change that starts speakers, one after another where they say when they have got through.

        A node that somebody else has changed keeps no other from being changed; it is raised in the end.
        """
        if not isinstance(change, Label) or not self.watch.with_sessions or not self.turns.begin():
            return self.make(change, goal)
        pods, leaving = self.watch.pods()
        there = {*pods, *leaving, *self.lost}
        parts = [tuple(name for name in change.nodes if name in there)]
        parts += [(name,) for name in change.nodes if name not in there]
        made, foreign = 0, list[ForeignError]()
        for index, names in enumerate(parts):
            act = partial(self.changes.make, structs.replace(change, nodes=names))
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
                made += self.start(Label(change.key, change.value, part), goal)
            except ForeignError as error:
                foreign.append(error)
            if index + 1 < len(parts):
                self.wait_for(goal.of(part))
        if foreign:
            raise foreign[0]
        return made

    def settle(self) -> None:
        """Give the DaemonSet's controller time to see the labels before the template asks for them, and the template
        before the labels go: it hears of nodes and of DaemonSets apart, and stops what seems to be on other nodes."""
        newest_revision(self.api, self.target, self.pace.timeout, self.pace.interval)
        time.sleep(SETTLED * self.pace.interval)

    def restart(self, names: Iterable[str], goal: Goal) -> int:
        """Restart the speakers of one round that have an old template, once all that is to be up is up."""
        old = self.outdated(names)
        if not old:
            return 0
        self.wait(goal, lambda seen: [*self.missing(goal, seen), *not_spared(goal, seen, old)])
        self.tell(f"  restarting {plural(len(old), 'speaker')}: {', '.join([*old][:MOST_NAMED])}")
        turns, rest = self.watch.with_sessions and self.turns.begin(), dict(old)
        for name, pod in old.items():
            if turns and len(rest) < len(old):
                # Turns take their time, in which a router may lose what it had to spare.
                self.wait(goal, lambda seen: not_spared(goal, seen, rest))
            del rest[name]
            if turns:
                self.turns.take(name, partial(self.remove, pod))
            else:
                self.remove(pod)
        return len(old)

    def renew(self, goal: Goal) -> int:
        """Restart one by one the speakers that still have an old template; how many."""
        return self.make(Restart(tuple((name,) for name in self.outdated(goal.speakers))), goal)

    def outdated(self, names: Iterable[str]) -> dict[str, Pod]:
        """The pods of the speakers on these nodes that have an old template, by node."""
        newest = newest_revision(self.api, self.target, self.pace.timeout, self.pace.interval)
        pods, _ = self.watch.pods()
        return {name: pods[name] for name in sorted(names) if name in pods and pods[name].revision != newest}

    def remove(self, pod: Pod) -> bool:
        """Delete a pod, if it is still this one; the DaemonSet makes another. Whether it was."""
        try:
            self.api.delete(Ref(POD, self.target.namespace, pod.metadata.name), uid=pod.metadata.uid)
        except (MissingError, ConflictError):
            return False
        return True

    def wait_for(self, goal: Goal, gone: Collection[str] = ()) -> None:
        """Wait until all of the goal is up, and the speakers that are none of it are gone from these nodes."""
        self.wait(goal, lambda seen: [*self.missing(goal, seen), *self.superfluous(goal, seen, gone)])

    def missing(self, goal: Goal, seen: Seen) -> list[str]:
        """What is not up; on the way back a session whose peer object somebody has deleted is not waited for."""
        if self.changes.back:
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
            if self.restarts_silent and self.silence.end(goal.speakers, seen):
                least = -1  # what it had is missing again for a while
            if least < 0 or len(found) < least:
                least, deadline = len(found), time.monotonic() + patience
                self.tell(f"  waiting for {listed(found, MOST_NAMED)}")
            took = time.monotonic() - began
            if time.monotonic() >= deadline:
                raise StoppedError(
                    f"after {self.pace.timeout:g} s, and {self.watch.patience:g} s that a report may take, "
                    f"there is still missing: {listed(found, MOST_NAMED)}"
                )
            # A look at a large cluster is dear for its API server.
            time.sleep(min(max(self.pace.interval, 2 * took), max(0.0, deadline - time.monotonic())))


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
    return [
        f"the end of the speaker on {name}" for name in sorted(there if nodes is None else there.intersection(nodes))
    ]


def not_spared(goal: Goal, seen: Seen, names: Collection[str]) -> list[str]:
    """The routers that would be left with too little if these speakers restarted now."""
    met = Counter(peer for node, peer in seen.sessions if node in names)
    has = Counter(peer for _, peer in seen.sessions)
    return [
        f"a session of {peer} to spare"
        for peer in sorted(met)
        if has[peer] - met[peer] < min(goal.kept.get(peer, 0), goal.levels.get(peer, 0) - met[peer])
    ]
