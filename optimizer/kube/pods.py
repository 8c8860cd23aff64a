"""The fields of a pod that say how it is: ready, since when, and of which template."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import field

from ..errors import LiveError
from . import objects
from .objects import Condition, Partial

T = TypeVar("T")

NOT_TRIED = ("SchedulingGated", "SchedulerError")
"""Reasons for which a pod waits that say nothing of the nodes: the scheduler has not looked, or has failed."""


class Owner(Partial):
    """Who has made a pod."""

    kind: str = ""
    uid: str = ""


class PodMeta(Partial):
    """What identifies a pod."""

    name: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    owner_references: list[Owner] | None = None
    deletion_timestamp: str | None = None


class PodSpec(Partial):
    """Where a pod runs."""

    node_name: str = ""


class Running(Partial):
    """Since when a container runs."""

    started_at: str | None = None


class Stuck(Partial):
    """Why a container does not run, in a word such as ImagePullBackOff."""

    reason: str | None = None


class ContainerState(Partial):
    """The state of a container."""

    running: Running | None = None
    waiting: Stuck | None = None
    terminated: Stuck | None = None


class ContainerStatus(objects.ContainerStatus):
    """How a container is."""

    state: ContainerState | None = None


class PodStatus(objects.PodStatus):
    """How a pod is."""

    start_time: str | None = None
    conditions: list[Condition] | None = None
    init_container_statuses: Sequence[ContainerStatus] | None = None
    container_statuses: Sequence[ContainerStatus] | None = None

    @property
    def trouble(self) -> str:
        """Why it does not work, in a few words; "" where it does, or where nothing says that it does not."""
        conditions = {each.type: each for each in self.conditions or ()}
        ready = conditions.get("Ready")
        if ready is None and self.phase != "Pending":
            return ""
        if ready is not None and ready.status == "True":
            return ""
        statuses = (*(self.init_container_statuses or ()), *(self.container_statuses or ()))
        stuck = (part.reason for each in statuses if each.state for part in (each.state.waiting,) if part)
        ended = (part.reason for each in statuses if each.state for part in (each.state.terminated,) if part)
        causes = (*stuck, *(cause for cause in ended if cause != "Completed"))
        return next(filter(None, causes), "Pending" if self.phase == "Pending" else "not Ready")

    @property
    def unscheduled(self) -> bool:
        """Whether the scheduler says that it finds no place for it."""
        return any(
            each.type == "PodScheduled" and each.status == "False" and each.reason not in NOT_TRIED
            for each in self.conditions or ()
        )


class Pod(Partial):
    """The fields of a speaker's pod that say how it is."""

    metadata: PodMeta
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)

    @property
    def ready(self) -> bool:
        """Whether it is ready and to stay."""
        conditions = self.status.conditions or ()
        return self.metadata.deletion_timestamp is None and any(
            each.type == "Ready" and each.status == "True" for each in conditions
        )

    @property
    def started(self) -> float | None:
        """When the last of its containers started, in seconds; None where that is not said."""
        states = [each.state for each in self.status.container_statuses or () if each.state]
        times = [self.status.start_time, *(state.running.started_at for state in states if state.running)]
        return max(filter(None, map(seconds, times)), default=None)

    @property
    def revision(self) -> str:
        """The hash of the template that it was made from."""
        return (self.metadata.labels or {}).get("controller-revision-hash", "")


class Pods(Partial):
    """A page of pods."""

    items: list[Pod] = field(default_factory=list)


def seconds(text: str | None) -> float | None:
    """A time as RFC 3339 has it, in seconds; None for what is none.

    >>> seconds("1970-01-01T00:01:00Z")
    60.0
    """
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None


def decode_page(page: bytes, type_: type[T]) -> T:
    """A page of a list. Raises LiveError."""
    try:
        return msgspec.json.decode(page, type=type_)
    except msgspec.DecodeError as error:
        raise LiveError(f"the API server's answer cannot be read ({error})") from None
