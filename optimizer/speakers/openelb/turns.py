"""OpenELB's speakers start one after another.

Each writes the time into an annotation of the BgpConf when it has taken its settings from there. Where two do so at the
same moment, one meets a conflict, begins anew and forgets what it was to announce until a Service changes, although its
sessions come up. So the next one starts when that annotation says that the one before has got through.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import field

from ...errors import MissingError
from ...kube.client import Api
from ...kube.kinds import Ref
from ...kube.objects import Partial
from ...progress import Tell
from .kinds import BGP_CONF

T = TypeVar("T")
STAMP = "lb.kubesphere.io/v1alpha1"
"""The annotation."""

LOOK = 0.5
"""The most seconds between two looks at it."""

LONGEST = 30.0
"""Seconds to wait for one speaker; whatever holds it up is left to what waits for all of them in the end."""

PATIENCE = 3
"""Speakers in a row that were waited for in vain, after which the others of a batch are not."""


class Meta(Partial):
    """What identifies a BgpConf, and its annotations."""

    name: str = ""
    annotations: dict[str, str] | None = None


class Conf(Partial):
    """A BgpConf; its status has an entry for each speaker, which is passed over."""

    metadata: Meta


class Confs(Partial):
    """A page of BgpConfs."""

    items: list[Conf] = field(default_factory=list)


class Turns:
    """Whose turn it is. Where no speaker has left its time yet, all may start at once."""

    def __init__(self, api: Api, interval: float, tell: Tell) -> None:
        self.api, self.pause, self.tell, self.vain = api, min(LOOK, interval), tell, 0

    def begin(self) -> bool:
        """Begin to take turns; whether speakers leave their time at all."""
        self.vain = 0
        return bool(self.stamp())

    def take(self, name: str, start: Callable[[], T]) -> T:
        """Have the speaker on a node started, and wait until it has got through, unless there was nothing to start."""
        before = self.stamp() if self.vain < PATIENCE else ""
        result = start()
        if not before or not result:
            return result
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            if self.stamp() != before:
                self.vain = 0
                return result
            time.sleep(self.pause)
        self.vain += 1
        self.tell(f"  the speaker on {name} has not taken its settings from the BgpConf within {LONGEST:g} s")
        return result

    def stamp(self) -> str:
        """When a speaker took its settings last, as it says; empty where none has, or where there is no BgpConf."""
        try:
            pages = list(self.api.list(Ref(BGP_CONF)))
        except MissingError:
            return ""
        confs = [each.metadata for page in pages for each in msgspec.json.decode(page, type=Confs).items]
        return next(((each.annotations or {}).get(STAMP, "") for each in confs if each.name == "default"), "")
