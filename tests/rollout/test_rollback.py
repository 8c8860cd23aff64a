"""The way back: what it does in which order, and what it waits for."""

# ruff: noqa: ARG002
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from optimizer.kube.changes import Change, Label, Patch
from optimizer.plan.steps import Step
from optimizer.rollout.goal import Goal
from optimizer.rollout.rollback import take_back
from optimizer.rollout.rollback_file import Rollback, WayBack, read_rollback, write_rollback
from optimizer.rollout.runner import Runner

TEMPLATE = Patch("DaemonSet", "ns", "speaker", "json", [{"op": "add", "path": "/spec/template/spec/x", "value": 1}])
OFF, ON, OTHER = (Label("a", value, ("n1",)) for value in (None, "b", "other"))


class Recorder(Runner):
    """Notes what it is asked to do."""

    def __init__(self, file: Path) -> None:
        self.done: list[str] = []
        self.file = file

    def begin(self, at: str, why: str) -> None:
        """Nothing."""

    def make(self, change: Change, goal: Goal, starts: bool = False, later: Sequence[Patch] = ()) -> int:
        self.done.append(type(change).__name__)
        return 1

    def start_again(self, change: Label, goal: Goal) -> int:
        self.done.append("start")
        return 1

    def settle(self) -> None:
        self.done.append("settle")

    def finish(self, goal: Goal) -> None:
        found = read_rollback(self.file)
        assert found is not None
        self.done.append(f"finish, left {sum(len(way.steps) for way in found.ways)}")


@pytest.mark.parametrize(
    ("steps", "done"),
    [
        (
            (Step("daemonset", "", ((TEMPLATE,),)), Step("label-speakers", "", ((OFF,),), settled=True)),
            ["Patch", "settle", "Label", "finish, left 0"],
        ),
        # The last look shows nothing of a template that its controller has not seen.
        ((Step("daemonset", "", ((TEMPLATE,),)),), ["Patch", "settle", "finish, left 0"]),
        ((Step("label-speakers", "", ((OFF,),)),), ["Label", "finish, left 0"]),
        # A label that comes back starts a speaker, whatever its value was.
        ((Step("unlabel-nodes", "", ((ON, OTHER),)),), ["start", "start", "finish, left 0"]),
    ],
)
def test_an_edit_of_the_template_is_known_before_it_goes_on(
    tmp_path: Path, steps: tuple[Step, ...], done: list[str]
) -> None:
    file = tmp_path / "it.json"
    saved = Rollback("ns", "speaker", "uid", ("a", "b"), "bgp", "abc", (WayBack(steps, (), {}),), "openelb")
    write_rollback(file, saved)
    runner = Recorder(file)
    assert take_back(runner, saved, file, frozenset(), allow_break=False) == []
    assert runner.done == done
