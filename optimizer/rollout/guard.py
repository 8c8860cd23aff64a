"""What ends a change of a live cluster early, as one sentence that says where it stands and how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ForeignError, OptimizerError, StoppedError
from ..kube.client import Api
from ..progress import silent
from .runner import Runner


@contextmanager
def interruptible(file: Path, way_on: str) -> Iterator[None]:
    """Ctrl-C where no change is under way becomes a StoppedError too."""
    try:
        yield
    except KeyboardInterrupt:
        stands = f"in a safe state; {way_on}" if file.exists() else "nothing was changed"
        raise StoppedError(f"interrupted, {stands}") from None


@contextmanager
def guarded(api: Api, runner: Runner, way_on: str) -> Iterator[None]:
    """What ends a change early becomes a StoppedError that says where it stands.

    What somebody else has changed in the DaemonSet is raised as it is: a new plan keeps it. What is not ours alone,
    such as a node's label, is not overwritten without being asked again.
    """
    try:
        yield
    except ForeignError as error:
        if error.kind == "DaemonSet":
            raise
        raise StoppedError(f"stopped at {runner.at}, in a safe state: {error}; {way_on}") from None
    except OptimizerError as error:
        raise StoppedError(f"stopped at {runner.at}, in a safe state: {error}; {way_on}") from None
    except KeyboardInterrupt:
        api.tell = silent  # requests under way may still try again
        raise StoppedError(f"interrupted at {runner.at}, in a safe state; {way_on}") from None
