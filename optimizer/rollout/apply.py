"""Brings a live cluster to a placement, and back.

Every stage of a plan leaves a state in which nothing is lost. So whatever ends a move, the next one reads the cluster
anew, plans from what it finds and goes on. What takes it back is in the rollback file before the first change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from ..errors import ForeignError, InputError, LiveError, OptimizerError, StoppedError, ViolationError
from ..inputs.live import read_live
from ..inputs.routers import with_topology
from ..inputs.topology import Topology
from ..kube.changes import Label
from ..kube.client import Api
from ..kube.selectors import selector_text
from ..model import Cluster
from ..progress import Tell, silent
from .live_plan import Asked, Move, not_ready, read_move
from .rollback_file import Journal, Leg, UndoStep, fingerprint, leg_of, read_journal, write_journal
from .runner import Goal, Mover, Pace
from .watch import Seen, Target, Watch
from .writer import Changes

ROUNDS = 5
"""How often a plan is made anew because the cluster has changed meanwhile."""


def apply(api: Api, asked: Asked, file: Path, pace: Pace, tell: Tell) -> Move:
    """Bring the cluster to the placement; the last look at it, where nothing is left to change.

    Raises ViolationError where the placement does not hold in the cluster, InputError, OutputError and LiveError before
    anything is changed, and StoppedError where the move stops on the way.
    """
    way_on = f"apply again goes on from there, and rollback {file} takes it back"
    with interruptible(file, way_on):
        return bring(api, asked, file, pace, tell, way_on)


def bring(api: Api, asked: Asked, file: Path, pace: Pace, tell: Tell, way_on: str) -> Move:
    """What `apply` does."""
    began, again = False, 0
    while again < ROUNDS:
        try:
            move = read_move(api, asked, tell)
        except (InputError, ViolationError, LiveError) as error:
            if began:
                raise StoppedError(f"stopped, in a safe state: {error}; optimize again, or: {way_on}") from None
            raise
        if not move.stages:
            if not began:
                confirm(api, asked, move, pace, tell)
            return move
        if (managed := move.managed) and not asked.allow_managed:
            raise LiveError(f"nothing was changed: {managed}; --allow-managed changes it all the same")
        watch = Watch(api, move.target, asked.policy.mode == "bgp", pace.allow_silent)
        record(file, asked, move, watch.first_look(move.possible))
        began = True
        goal = Goal(frozenset(move.case.placement.speakers), move.goal, move.kept, move.levels)
        changes = Changes(api, asked.policy.speaker.label, move.labels)
        mover = Mover(api, move.target, watch, changes, pace, tell, move.lost)
        try:
            with guarded(mover, way_on):
                mover.run(move.stages, goal)
            again += not move.hops  # what is left to change after the whole plan has been made anew by somebody
        except ForeignError as error:
            again += 1
            tell(f"{error}: planning again")
    raise StoppedError(f"stopped, in a safe state: the cluster changes all the time; {way_on}")


def confirm(api: Api, asked: Asked, move: Move, pace: Pace, tell: Tell) -> None:
    """Wait until everything is up where nothing is to change: no more is said than has been seen."""
    watch = Watch(api, move.target, asked.policy.mode == "bgp", pace.allow_silent)
    watch.first_look(move.possible)
    changes = Changes(api, asked.policy.speaker.label, move.labels)
    mover = Mover(api, move.target, watch, changes, pace, tell, move.lost)
    mover.restarts_silent = False
    with guarded(mover, "nothing was changed"):
        mover.run((), Goal(frozenset(move.case.placement.speakers), move.goal))


@contextmanager
def interruptible(file: Path, way_on: str) -> Iterator[None]:
    """Ctrl-C where no change is under way becomes a StoppedError too."""
    try:
        yield
    except KeyboardInterrupt:
        stands = f"in a safe state; {way_on}" if file.exists() else "nothing was changed"
        raise StoppedError(f"interrupted, {stands}") from None


@contextmanager
def guarded(mover: Mover, way_on: str) -> Iterator[None]:
    """What ends a move early becomes a StoppedError that says where it stands.

    What somebody else has changed in the DaemonSet is raised as it is: a new plan keeps it. What is not ours alone,
    such as a node's label, is not overwritten without being asked again.
    """
    try:
        yield
    except ForeignError as error:
        if error.kind == "DaemonSet":
            raise
        raise StoppedError(f"stopped at {mover.at}, in a safe state: {error}; {way_on}") from None
    except OptimizerError as error:
        raise StoppedError(f"stopped at {mover.at}, in a safe state: {error}; {way_on}") from None
    except KeyboardInterrupt:
        mover.api.tell = silent  # requests under way may still try again
        raise StoppedError(f"interrupted at {mover.at}, in a safe state; {way_on}") from None


def record(file: Path, asked: Asked, move: Move, seen: Seen) -> None:
    """Write the rollback file, or add this plan to it. Raises InputError where it is of something else."""
    leg = leg_of(
        move.stages,
        seen.ready.intersection(move.cluster.today.speakers),
        move.today & seen.sessions,
        move.kept,
        move.levels,
    )
    target, placement, policy = move.target, fingerprint(asked.placement), asked.policy
    old = read_journal(file)
    if old is not None and not any(each.steps for each in old.legs):
        old = None  # all taken back
    if old is not None and (old.uid, old.placement) != (target.uid, placement):
        what = "another placement" if old.uid == target.uid else "another DaemonSet"
        raise InputError(f"{file}: is the way back from {what}; keep it, and name a new one with --rollback-file")
    legs = old.legs if old is not None else ()
    if not (legs and legs[-1].steps == leg.steps):  # else nothing was done of the plan that was made before
        legs = (*legs, leg)
    write_journal(
        file,
        Journal(target.namespace, target.name, target.uid, policy.speaker.label, policy.mode, placement, legs),
    )


def rollback(api: Api, file: Path, pace: Pace, tell: Tell, allow_break: bool = False) -> tuple[str, ...]:
    """Take back all plans of a rollback file, the last one first; what was left alone since somebody else has changed
    it. What is taken back is dropped from the file. `allow_break`: restart speakers without a session to spare.

    Raises InputError, OutputError, LiveError, and StoppedError where it stops on the way.
    """
    journal = read_journal(file)
    if journal is None:
        raise InputError(f"{file}: there is no such rollback file; apply writes it")
    name = f"{journal.namespace}/{journal.daemonset}"
    way_on = f"rollback {file} again goes on from there"
    with interruptible(file, way_on):
        live = read_live(api, name, tell)
    if live.daemonset is None or live.daemonset["metadata"]["uid"] != journal.uid:
        raise InputError(f"{file}: is of another DaemonSet {name} than {api.server} has by now")
    target = Target(
        journal.namespace, journal.daemonset, journal.uid, selector_text(live.daemonset["spec"]["selector"])
    )
    key = journal.label[0]
    labels = {node.name: node.labels.get(key) for node in live.cluster.nodes}
    # What runs on a node that is not Ready cannot come up again now, and is not waited for.
    nodes = frozenset(node.name for node in live.cluster.nodes if node.ready is not False and not node.deleting)
    changes = Changes(api, journal.label, labels, back=True)
    watch = Watch(api, target, journal.mode == "bgp", pace.allow_silent)
    mover = Mover(api, target, watch, changes, pace, tell, not_ready(live.cluster))
    left: list[str] = []
    with guarded(mover, way_on):
        mover.watch.first_look(sessions_now(live.cluster))
        take_back(mover, journal, file, nodes, left, allow_break)
    return tuple(dict.fromkeys(left))


def sessions_now(cluster: Cluster) -> frozenset[tuple[str, str]]:
    """The sessions that the BgpPeers' selectors give, as (node, peer object)."""
    found = with_topology(cluster, Topology())
    peers = {router.name: router.peer for router in found.routers if router.peer}
    return frozenset((node, peers[router]) for router, nodes in found.today.sessions.items() for node in nodes)


def take_back(
    mover: Mover, journal: Journal, file: Path, nodes: frozenset[str], left: list[str], allow_break: bool
) -> None:
    """Take the plans back; notes in `left` what somebody else has changed meanwhile."""
    later = [change for leg in reversed(journal.legs) for step in leg.steps for change in step.changes]
    legs, goal = list(journal.legs), Goal(frozenset(), frozenset())
    for number in reversed(range(len(legs))):
        leg, kept = legs[number], list[UndoStep]()
        goal = goal_of(leg, journal.legs[0], nodes, allow_break)
        for index, step in enumerate(leg.steps, 1):
            mover.at = f"step {index} of {len(leg.steps)} ({step.slug})"
            if len(legs) > 1:
                mover.at += f" of plan {number + 1}"
            mover.tell(f"{mover.at}: {step.why}")
            if step.wait:
                mover.wait_for(goal)
            foreign = []
            for change in step.changes:
                later = later[1:]
                mover.changes.later = later
                try:
                    if isinstance(change, Label) and change.value == journal.label[1]:
                        mover.start_again(change, goal)
                    else:
                        mover.make(change, goal)
                except ForeignError as error:
                    if error.kind == "DaemonSet":
                        # What comes next takes labels away for which the template may still ask.
                        raise StoppedError(f"{error}; put it back, or take out what asks for the label") from None
                    left.append(str(error))
                    mover.tell(f"  {error}")
                    foreign.append(change)
            if step.slug == "daemonset":
                mover.settle()
            if foreign:
                kept.append(structs.replace(step, changes=tuple(foreign)))
            # So that, started again, it goes on from here instead of from the start.
            legs[number] = structs.replace(leg, steps=(*kept, *leg.steps[index:]))
            write_journal(file, structs.replace(journal, legs=tuple(legs)))
    mover.at = "the last look"
    mover.wait_for(goal)


def goal_of(leg: Leg, first: Leg, nodes: frozenset[str], allow_break: bool) -> Goal:
    """What was up before a plan and before the first one, on the nodes that are there and Ready."""
    speakers = nodes.intersection(leg.speakers).intersection(first.speakers)
    sessions = frozenset(
        (node, peer)
        for peer, held in leg.sessions.items()
        for node in speakers.intersection(held).intersection(first.sessions.get(peer, ()))
    )
    kept = {peer: number - allow_break for peer, number in leg.kept.items()}
    return Goal(speakers, sessions, kept, leg.levels)
