"""What one case costs a router: a process of its own is started, loaded, disturbed and looked at."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from benchmarks.routers.load import ROUTER_AS, SPEAKERS_AS, Addresses, Case, Load
from tests.lab.processes import LabError, Processes
from tests.lab.routers import Bird, Frr, Router, Settings

ROUTERS: dict[str, type[Router]] = {"frr": Frr, "bird": Bird}

PAUSE = 0.02
QUIET = 0.4
"""The share of a core below which a router has nothing left to do, or only keepalives."""

ASK_AGAIN = 0.25
"""Seconds between two questions to a router that seemed to have finished; an answer costs CPU too."""

CLOCK = 10
"""A run ends at this many times its limit by the clock: sessions that only come and go cost little CPU."""


class Disturbed(Struct, frozen=True):
    """What it took to be settled again: seconds of CPU, without those of keepalives meanwhile, and of the clock."""

    cpu: float
    seconds: float


class Cost(Struct, frozen=True):
    """What a router spent on a case. Where it did not converge within the limit, what it spent until then."""

    case: Case
    sessions: int
    paths: int
    """Paths that it has to hold."""
    converged: bool
    cpu: float
    """Seconds of CPU from the first session to the last path, without those of keepalives meanwhile."""
    seconds: float
    memory: int
    """Bytes."""
    lost: int = 0
    """Sessions that ended meanwhile."""
    held: int | None = None
    """Paths that it held when it was given up, where it still answered."""
    steady: float | None = None
    """Seconds of CPU a minute, with nothing but keepalives every three seconds."""
    flap: Disturbed | None = None
    """One route was withdrawn by all speakers and, when it was gone, announced again."""
    death: Disturbed | None = None
    """One speaker died."""


class UnsettledError(Exception):
    """The limit was reached."""


class Watch:
    """A router under a limit of CPU seconds for each thing that it has to do."""

    def __init__(self, router: Router, limit: float) -> None:
        self.router = router
        self.limit = limit

    def settle(
        self, work: Callable[[], None], paths: int, sessions: int, sent: Callable[[], bool] = lambda: True
    ) -> Disturbed:
        """Give the router work, wait until it holds exactly so many paths and sessions, and tell what it took.

        It is asked only while it is quiet, and what the answers cost is not counted. Raises UnsettledError.
        """
        began, start = time.monotonic(), self.router.cpu()
        work()
        at, used = time.monotonic(), self.router.cpu()
        asked, again, quiet = 0.0, began, 0
        while True:
            time.sleep(PAUSE)
            now, spent = time.monotonic(), self.router.cpu()
            quiet = quiet + 1 if spent - used < QUIET * (now - at) else 0
            at, used = now, spent
            if spent - start > self.limit or now - began > CLOCK * self.limit:
                raise UnsettledError
            if quiet > 1 and now >= again and sent():
                if self._holds(paths, sessions):
                    return Disturbed(spent - start - asked, now - began)
                at, used = time.monotonic(), self.router.cpu()
                asked += used - spent
                again = at + ASK_AGAIN

    def _holds(self, paths: int, sessions: int) -> bool:
        return self.router.total_paths() == paths and len(self.router.established()) == sessions


def measure(case: Case, limit: float = 120.0, steady: float = 12.0) -> Cost:
    """The cost of a case, each part of it under the limit of CPU seconds."""
    addresses = Addresses(64 + secrets.randbelow(180))
    ranges = ((addresses.range, SPEAKERS_AS),)
    settings = Settings("router", ROUTER_AS, addresses.router, 1790, ranges=ranges)
    with tempfile.TemporaryDirectory(prefix="routers-") as made:
        processes = Processes(Path(made))
        router = ROUTERS[case.router](settings, processes, Path(made))
        try:
            router.start()
            with Load(case, addresses, settings, processes, Path(made)) as load:
                return cost(case, Watch(router, limit), load, steady)
        finally:
            # One that has too much to do hears of no gentler signal.
            router.kill()
            processes.close()


def cost(case: Case, watch: Watch, load: Load, steady: float) -> Cost:
    """Load a router and disturb it."""
    router = watch.router
    began, start = time.monotonic(), router.cpu()
    try:
        up = watch.settle(load.open, case.paths, case.sessions, load.sent)
    except (UnsettledError, LabError):
        spent, took = router.cpu() - start, time.monotonic() - began
        memory = router.memory()
        held = None
        with suppress(LabError):
            held = router.total_paths()
        return Cost(case, case.sessions, case.paths, False, spent, took, memory, load.lost, held)
    memory = router.memory()
    rate = per_second(router, steady)

    def beyond_keepalives(*done: Disturbed) -> Disturbed:
        seconds = sum(each.seconds for each in done)
        return Disturbed(max(0.0, sum(each.cpu for each in done) - rate * seconds), seconds)

    up = beyond_keepalives(up)
    flap = death = None
    # What it does not finish has no figure.
    with suppress(UnsettledError, LabError, TimeoutError):
        fewer = case.paths - case.sessions * case.hops
        gone = watch.settle(partial(load.withdraw, load.routes[0]), fewer, case.sessions)
        back = watch.settle(partial(load.announce, load.routes[0]), case.paths, case.sessions)
        flap = beyond_keepalives(gone, back)
        left = case.paths - case.hops * case.routes
        death = beyond_keepalives(watch.settle(partial(load.die, 0), left, case.sessions - 1))
    return Cost(
        case, case.sessions, case.paths, True, up.cpu, up.seconds, memory, load.lost, case.paths, rate * 60, flap, death
    )


def per_second(router: Router, seconds: float) -> float:
    """CPU seconds a second of a router that has nothing to do but to keep its sessions."""
    began, start = time.monotonic(), router.cpu()
    time.sleep(seconds)
    return (router.cpu() - start) / (time.monotonic() - began)
