"""Brings a live cluster to a placement.

Every step of a plan leaves a state in which nothing is lost. So whatever ends it early, the next one reads the cluster
anew, plans from what it finds and goes on. What takes it back is in the rollback file before the first change.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ForeignError, InputError, LiveError, StoppedError, ViolationError
from ..kube.client import Api
from ..progress import Tell
from .belief import Seen
from .goal import Goal
from .guard import guarded, interruptible
from .live_plan import LivePlan, Request, plan_live
from .rollback_file import Rollback, chained, fingerprint, read_rollback, way_back, write_rollback
from .runner import Runner
from .waiting import Pace
from .watch import Watch
from .writer import Writer

ROUNDS = 5
"""How often a plan is made anew because the cluster has changed meanwhile."""


def apply(api: Api, request: Request, file: Path, pace: Pace, tell: Tell) -> LivePlan:
    """Bring the cluster to the placement; the last look at it, where nothing is left to change.

    Raises ViolationError where the placement does not hold in the cluster, InputError, OutputError and LiveError before
    anything is changed, and StoppedError where it stops on the way.
    """
    way_on = f"apply again goes on from there, and rollback {file} takes it back"
    with interruptible(file, way_on):
        return bring(api, request, file, pace, tell, way_on)


def bring(api: Api, request: Request, file: Path, pace: Pace, tell: Tell, way_on: str) -> LivePlan:
    """What `apply` does."""
    began, again = False, 0
    while again < ROUNDS:
        try:
            live = plan_live(api, request, tell)
        except (InputError, ViolationError, LiveError) as error:
            if began:
                raise StoppedError(f"stopped, in a safe state: {error}; optimize again, or: {way_on}") from None
            raise
        if not live.steps:
            if not began:
                confirm(api, live, pace, tell)
            return live
        if (managed := live.managed) and not request.allow_managed:
            raise LiveError(f"nothing was changed: {managed}; --allow-managed changes it all the same")
        watch = watch_of(api, live, pace)
        record(file, request, live, watch.first_look(live.possible))
        began = True
        runner = Runner(watch, writer_of(api, live), pace, tell, live.lost)
        goal = Goal(frozenset(live.plan.placement.speakers), live.goal, live.kept, live.levels)
        try:
            with guarded(api, runner, way_on):
                runner.run(live.steps, goal)
            if not live.waypoints:
                again += 1  # what is left to change after the whole plan has been made anew by somebody
        except ForeignError as error:
            again += 1
            tell(f"{error}: planning again")
    raise StoppedError(f"stopped, in a safe state: the cluster changes all the time; {way_on}")


def confirm(api: Api, live: LivePlan, pace: Pace, tell: Tell) -> None:
    """Wait until everything is up where nothing is to change: no more is said than has been seen."""
    watch = watch_of(api, live, pace)
    watch.first_look(live.possible)
    runner = Runner(watch, writer_of(api, live), pace, tell, live.lost, restarts_silent=False)
    with guarded(api, runner, "nothing was changed"):
        runner.run((), Goal(frozenset(live.plan.placement.speakers), live.goal))


def watch_of(api: Api, live: LivePlan, pace: Pace) -> Watch:
    """What looks at the cluster's speakers."""
    return Watch(api, live.target, live.plan.product, live.plan.policy.mode == "bgp", pace.allow_silent)


def writer_of(api: Api, live: LivePlan) -> Writer:
    """What changes the cluster's objects."""
    return Writer(api, live.plan.product, live.plan.policy.speaker.label, live.labels)


def record(file: Path, request: Request, live: LivePlan, seen: Seen) -> None:
    """Write the rollback file, or add this plan to it. Raises InputError where it is of something else."""
    running = seen.ready.intersection(live.cluster.today.speakers)
    way = way_back(live.steps, running, live.today & seen.sessions, live.kept, live.levels)
    target, placement, policy = live.target, fingerprint(request.placement), request.policy
    old = read_rollback(file)
    if old is not None and not any(each.steps for each in old.ways):
        old = None  # all taken back
    if old is not None and (old.uid, old.placement) != (target.uid, placement):
        what = "another placement" if old.uid == target.uid else "another DaemonSet"
        raise InputError(f"{file}: is the way back from {what}; keep it, and name a new one with --rollback-file")
    ways = old.ways if old is not None else ()
    if not (ways and ways[-1].steps == way.steps):  # else nothing was done of the plan that was made before
        ways = chained([*ways, way])
    label, product = policy.speaker.label, live.plan.product.name
    write_rollback(
        file, Rollback(target.namespace, target.name, target.uid, label, policy.mode, placement, ways, product)
    )
