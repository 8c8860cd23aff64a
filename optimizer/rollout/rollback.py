"""Takes back what `apply` has done to a live cluster, removing nothing before its replacement is up either."""

from __future__ import annotations

from collections import defaultdict, deque
from pathlib import Path

from msgspec import structs

from ..errors import ForeignError, InputError, StoppedError
from ..inputs.live import read_live
from ..inputs.peers import sessions_by_peer
from ..kube.changes import Change, Create, Key, Label, Patch, key_of
from ..kube.client import Api
from ..kube.selectors import selector_text
from ..plan.inverse import ends_with_template
from ..plan.steps import Step
from ..progress import Tell
from ..speakers import product_named
from .goal import Goal
from .guard import guarded, interruptible
from .live_plan import not_ready
from .rollback_file import Rollback, WayBack, read_rollback, write_rollback
from .runner import Runner
from .waiting import Pace
from .watch import Target, Watch
from .writer import Writer

Later = dict[Key, deque[Patch]]
"""The patches that are still to come, by object, in order."""


def rollback(api: Api, file: Path, pace: Pace, tell: Tell, allow_break: bool = False) -> tuple[str, ...]:
    """Take back all plans of a rollback file, the last one first; what was left alone since somebody else has changed
    it. What is taken back is dropped from the file. `allow_break`: restart speakers without a session to spare.

    Raises InputError, OutputError, LiveError, and StoppedError where it stops on the way.
    """
    saved = read_rollback(file)
    if saved is None:
        raise InputError(f"{file}: there is no such rollback file; apply writes it")
    name = f"{saved.namespace}/{saved.daemonset}"
    way_on = f"rollback {file} again goes on from there"
    with interruptible(file, way_on):
        live = read_live(api, name, tell, saved.product)
    if live.daemonset is None or live.daemonset["metadata"]["uid"] != saved.uid:
        raise InputError(f"{file}: is of another DaemonSet {name} than {api.server} has by now")
    product = product_named(saved.product)
    selector = selector_text(live.daemonset["spec"]["selector"])
    watch = Watch(
        api,
        Target(saved.namespace, saved.daemonset, saved.uid, selector),
        product,
        saved.mode == "bgp",
        pace.allow_silent,
    )
    key = saved.label[0]
    labels = {node.name: node.labels.get(key) for node in live.cluster.nodes}
    writer = Writer(api, product, saved.label, labels, back=True)
    runner = Runner(watch, writer, pace, tell, not_ready(live.cluster))
    # What runs on a node that is not Ready cannot come up again now, and is not waited for.
    nodes = frozenset(node.name for node in live.cluster.nodes if node.ready is not False and not node.deleting)
    with guarded(api, runner, way_on):
        watch.first_look(sessions_by_peer(live.cluster))
        left = take_back(runner, saved, file, nodes, allow_break)
    return tuple(dict.fromkeys(left))


def take_back(runner: Runner, saved: Rollback, file: Path, nodes: frozenset[str], allow_break: bool) -> list[str]:
    """Take the plans back; what was left alone since somebody else has changed it meanwhile, in a sentence each."""
    later, left = patches_by_object(saved), list[str]()
    ways = list(saved.ways)
    goal = Goal(frozenset(), frozenset())
    for number in reversed(range(len(ways))):
        way, kept = ways[number], list[Step]()
        goal = goal_of(way, saved.ways[0], nodes, allow_break)
        of_plan = f" of plan {number + 1}" if len(ways) > 1 else ""
        for index, step in enumerate(way.steps, 1):
            runner.begin(f"step {index} of {len(way.steps)} ({step.name}){of_plan}", step.why)
            foreign = take_step(runner, step, goal, later)
            if foreign:
                left += [sentence for _, sentence in foreign]
                kept.append(structs.replace(step, batches=(tuple(change for change, _ in foreign),)))
            # So that, started again, it goes on from here instead of from the start.
            ways[number] = structs.replace(way, steps=(*kept, *way.steps[index:]))
            write_rollback(file, structs.replace(saved, ways=tuple(ways)))
    if ends_with_template([step for way in reversed(saved.ways) for step in way.steps]):
        runner.settle()
    runner.finish(goal)
    return left


def take_step(runner: Runner, step: Step, goal: Goal, later: Later) -> list[tuple[Change, str]]:
    """Make the changes of a step of the way back; those that somebody else stands in the way of, each with why.

    Raises StoppedError where that is the DaemonSet: what comes next takes labels away for which it may still ask.
    """
    if step.settled:
        runner.settle()
    if step.needs:
        runner.waiter.until(goal)
    foreign = []
    for change in step.changes:
        try:
            if isinstance(change, Label) and change.value is not None:
                runner.start_again(change, goal)
            else:
                runner.make(change, goal, later=still_to_come(change, later))
        except ForeignError as error:
            if error.kind == "DaemonSet":
                raise StoppedError(f"{error}; put it back, or take out what asks for the label") from None
            runner.tell(f"  {error}")
            foreign.append((change, str(error)))
    return foreign


def patches_by_object(saved: Rollback) -> Later:
    """All patches of the way back."""
    found: defaultdict[Key, deque[Patch]] = defaultdict(deque)
    for change in (change for way in reversed(saved.ways) for step in way.steps for change in step.changes):
        if isinstance(change, Patch):
            found[change.kind, change.namespace, change.name].append(change)
    return found


def object_of(change: Change) -> Key | None:
    """The object that a change patches or creates, if it does."""
    match change:
        case Patch(kind, namespace, name, _, _):
            return kind, namespace, name
        case Create(manifest):
            return key_of(manifest)
    return None


def still_to_come(change: Change, later: Later) -> deque[Patch]:
    """The patches of the same object after this change, which is taken for made."""
    key = object_of(change)
    if key is None or key not in later:
        return deque()
    if isinstance(change, Patch):
        later[key].popleft()
    return later[key]


def goal_of(way: WayBack, first: WayBack, nodes: frozenset[str], allow_break: bool) -> Goal:
    """What was up before a plan and before the first one, on the nodes that are there and Ready."""
    speakers = nodes.intersection(way.speakers).intersection(first.speakers)
    sessions = frozenset(
        (node, peer)
        for peer, held in way.sessions.items()
        for node in speakers.intersection(held).intersection(first.sessions.get(peer, ()))
    )
    kept = {peer: number - 1 if allow_break else number for peer, number in way.kept.items()}
    return Goal(speakers, sessions, kept, way.levels)
