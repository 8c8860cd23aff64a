"""What `import optimizer` offers of live clusters: bring one to a placement, and back."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..files import path_of
from ..inputs.placement import checked_placement
from ..inputs.policy import checked_policy
from ..inputs.read import LiveCluster
from ..inputs.text import expect
from ..model import Placement, Policy
from ..plan.template import Style
from ..progress import Tell, silent
from . import apply as bring
from . import rollback as back
from .live_plan import Request
from .stages import MAX_PARALLEL
from .waiting import Pace

UNHURRIED = Pace()


def apply(
    cluster: LiveCluster,
    policy: Policy,
    placement: Placement,
    rollback_file: str | Path,
    *,
    style: Style = "node-selector",
    max_parallel: int = MAX_PARALLEL,
    allow_break: bool = False,
    allow_managed: bool = False,
    pace: Pace = UNHURRIED,
    progress: Tell = silent,
) -> None:
    """Bring the cluster to the placement; nothing is taken away before what replaces it is established.

    `max_parallel` speakers start, stop or restart at once. `allow_break`: old sessions may close first where a router's
    limit, or a restart, leaves no other way. `allow_managed`: change what Helm or a GitOps tool manages. The way back
    is in `rollback_file` before the first change.

    Raises ViolationError where the placement does not hold in the cluster, InputError, OutputError and LiveError before
    anything is changed, and StoppedError where it stops on the way, in a safe state; called again it goes on.
    """
    expect(cluster, LiveCluster, "cluster")
    file = path_of(rollback_file, "rollback_file")
    check_pace(pace)
    if max_parallel < 1:
        raise InputError(f"max_parallel must be at least 1, not {max_parallel}")
    placement = checked_placement(placement)
    policy = checked_policy(policy)
    request = Request(
        placement, policy, cluster.topology, style, max_parallel, allow_break, allow_managed, cluster.product
    )
    bring.apply(cluster.api, request, file, pace, progress)


def rollback(
    cluster: LiveCluster,
    rollback_file: str | Path,
    *,
    allow_break: bool = False,
    pace: Pace = UNHURRIED,
    progress: Tell = silent,
) -> tuple[str, ...]:
    """Take back what `apply` did; sentences about what was left alone since somebody else has changed it.

    `allow_break`: a router may be short of a session while its speakers restart. Raises InputError, OutputError,
    LiveError, and StoppedError where it stops on the way.
    """
    expect(cluster, LiveCluster, "cluster")
    check_pace(pace)
    return back.rollback(cluster.api, path_of(rollback_file, "rollback_file"), pace, progress, allow_break)


def check_pace(pace: Pace) -> None:
    """Raise InputError for times that are none."""
    expect(pace, Pace, "pace")
    if not (pace.timeout > 0 and pace.interval > 0):
        raise InputError(f"pace: timeout and interval must be more than 0 seconds, not {pace.timeout}, {pace.interval}")
