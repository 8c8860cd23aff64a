"""`python -m benchmarks.worker`: one peer on one instance, in a process of its own that `race` starts.

The arguments come on stdin, the result goes to the file they name, so that no solver's output mixes with it. Points of
the trajectory are written as they come, so that they are there also where the process is killed.
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec.structs import replace

from benchmarks.families import instance
from benchmarks.instance import Cell, Instance
from benchmarks.peers.answer import Answer
from benchmarks.result import Point, Result, Status
from optimizer.checks.placement import check_placement, goal_values, look_up
from optimizer.errors import NoAnswerError
from optimizer.model import Placement


class Job(msgspec.Struct, frozen=True):
    """What a worker is asked; `memory` is the most address space in bytes."""

    cell: Cell
    peer: str
    seconds: float
    output: str
    cores: int
    memory: int


def main() -> None:
    """Do the job on stdin."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.cores])
    resource.setrlimit(resource.RLIMIT_AS, (job.memory, job.memory))
    with Path(job.output).open("wb") as output:
        output.write(msgspec.json.encode(work(job, output)))


def work(job: Job, output: BinaryIO) -> Result:
    """Run the peer and have its answer checked."""
    subject = instance(job.cell)
    policy = replace(subject.policy, time_limit=job.seconds)
    empty = without_answer(job, subject)
    peer = importlib.import_module(f"benchmarks.peers.{job.peer}")
    empty = replace(empty, idle=peak())
    # For the case that the process is killed.
    output.write(msgspec.json.encode(replace(empty, status="killed")) + b"\n")
    output.flush()
    # The kernel ends a process that overruns by much, also where it is deep in a solver.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, job.seconds * 1.25 + 10)
    gc.collect()
    gc.freeze()  # as the command does after reading: nobody need look through the instance for garbage
    points: list[Point] = []
    start = time.perf_counter()

    def tell(goal: str, value: int | None, bound: int | None) -> None:
        point = Point(time.perf_counter() - start, goal, value, bound)
        points.append(point)
        output.write(msgspec.json.encode(point) + b"\n")
        output.flush()

    try:
        answer: Answer = peer.run(subject.cluster, policy, tell)
    except NoAnswerError:
        answer = Answer()
    except Exception as error:  # whatever a peer dies of is its result
        return replace(empty, memory=peak(), trajectory=tuple(points), note=f"{type(error).__name__}: {error}"[:300])
    seconds = time.perf_counter() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    result = replace(
        empty,
        seconds=answer.seconds or seconds,
        solver=answer.solver,
        memory=peak(),
        trajectory=tuple(points),
    )
    return judged(result, subject, answer)


def without_answer(job: Job, subject: Instance) -> Result:
    """The result before there is an answer."""
    return Result(
        job.cell,
        subject.name,
        job.peer,
        "error",
        goals=subject.policy.goals,
        known=subject.known,
        best_known=subject.best_known,
        nodes=len(subject.cluster.nodes),
        routers=len(subject.cluster.routers),
    )


def judged(result: Result, subject: Instance, answer: Answer) -> Result:
    """The result with the values that the independent check counts, and the status that follows."""
    if answer.infeasible or not answer.speakers:
        return replace(result, status="infeasible" if answer.infeasible else "none", bounds=answer.bounds)
    placement = Placement("feasible", (), answer.speakers, answer.sessions)
    violations = check_placement(subject.cluster, subject.policy, placement, claims=False)
    if violations:
        return replace(result, status="invalid", note=f"{len(violations)} violations: {violations[0]}")
    true = goal_values(look_up(subject.cluster, subject.policy, placement))
    values = tuple(true[goal] for goal in result.goals)
    status: Status = "optimal" if values == answer.bounds else "feasible"
    return replace(result, status=status, values=values, bounds=answer.bounds)


def peak() -> float:
    """The most memory that this process has had so far, in MiB; `ru_maxrss` would count that of its parent too."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    main()
