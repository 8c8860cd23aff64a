"""The scripts of an export, run with the real kubectl: they do what `apply` and `rollback` do."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.plan.hold import ANNOTATION
from optimizer.plan.template import STYLES
from tests.exports.export_shell import Shell
from tests.lab.cluster import Lab
from tests.lab.objects import RACK, SPEAKER, daemonset, nodes, peer, rack_peer
from tests.lab.speakers import Speakers, speakers
from tests.lab.states import ONE, THREE, TOLD, TWO, ok, placement_in, speaking, state, topology_of_rack

pytestmark = pytest.mark.lab

KINDS = "nodes,pods,daemonsets,bgppeers,bgpconfs"
ADDRESSES = {"leaf-r1": ONE, "leaf-r2": TWO, "leaf-r3": THREE}


@pytest.fixture
def works(lab: Lab) -> Iterator[Speakers]:
    """Three racks with a speaker on each node; one has a BgpPeer too many, one has none yet."""
    second = peer("old-r2", TWO, {"matchLabels": {RACK: "r2"}})
    lab.client.create_all([*nodes(3, 4), rack_peer("r1", ONE), rack_peer("r2", TWO), second, daemonset()])
    with speakers(lab, period=TOLD) as found:
        lab.eventually("all sessions are up", lambda: sum(map(len, found.sessions().values())) == 8)
        yield found


class Case:
    """A placement for a dump of the cluster, and its export."""

    def __init__(self, lab: Lab, folder: Path, style: str) -> None:
        self.style, self.placement, self.out = style, folder / "placement.json", folder / "patches"
        self.login: list[str | Path] = ["--kubeconfig", lab.kubeconfig]
        dump = folder / "cluster.json"
        dump.write_text(lab.run_kubectl("get", KINDS, "-A", "-o", "json").stdout)
        ok("optimize", dump, "--topology", topology_of_rack(folder, "r3", THREE), "-o", self.placement)
        ok("export", self.placement, dump, "--style", style, "--format", "kubectl", "-o", self.out)
        kubectl = shlex.join([str(lab.kubectl), "--kubeconfig", str(lab.kubeconfig)])
        self.shell = Shell(self.out, kubectl, STATUS_PERIOD=str(4 * TOLD), INTERVAL="0.2", TIMEOUT="30", SETTLE="1")
        found = placement_in(self.placement)
        self.chosen = set(found["speakers"])
        self.sessions: dict[str, set[str]] = {address: set() for address in ADDRESSES.values()}
        for each in found["sessions"]:
            self.sessions[ADDRESSES[each["router"]]].add(each["node"])

    def apply(self) -> None:
        """Bring the cluster there by `apply`, in the same style."""
        # The new router has no session but those that are opened on the way.
        ok("apply", self.placement, *self.login, "--style", self.style, "--allow-break", *pace())

    def rollback(self) -> None:
        """Take that back."""
        ok("rollback", self.placement.with_suffix(".rollback.json"), *self.login, *pace())

    def is_there(self, lab: Lab, works: Speakers) -> None:
        """The speakers and sessions are those of the placement, in truth."""
        lab.eventually("the others have ended", lambda: speaking(lab) == self.chosen)
        lab.eventually("the sessions are its", lambda: works.sessions() == self.sessions)


def pace() -> list[str]:
    return ["--yes", "--interval", "0.2", "--timeout", "30"]


def keeps_its_sessions(works: Speakers, since: float) -> None:
    """Every router that had sessions has had two of them at every moment since."""
    assert [works.history.lowest(address, since) >= 2 for address in (ONE, TWO)] == [True, True]


@pytest.mark.parametrize("style", STYLES)
def test_the_scripts_do_what_apply_and_rollback_do(lab: Lab, works: Speakers, tmp_path: Path, style: str) -> None:
    case = Case(lab, tmp_path, style)
    start, since = state(lab), time.monotonic()
    done = case.shell.ok("apply.sh")
    assert "round 1: 3 speakers" in done
    case.is_there(lab, works)
    reached = state(lab)
    keeps_its_sessions(works, since)
    case.shell.ok("rollback.sh")
    assert state(lab) == start
    lab.eventually("all are back", lambda: sum(map(len, works.sessions().values())) == 8)
    keeps_its_sessions(works, since)
    case.apply()
    case.is_there(lab, works)
    assert state(lab) == reached
    case.rollback()
    assert state(lab) == start
    keeps_its_sessions(works, since)


@pytest.mark.parametrize("mark", ["let the new sessions open", "round 1:", "stop the speakers"])
def test_apply_ends_what_a_script_has_begun(lab: Lab, works: Speakers, tmp_path: Path, mark: str) -> None:
    case = Case(lab, tmp_path, "node-selector")
    start, since = state(lab), time.monotonic()
    cut_off(case, mark)
    held = state(lab)[f"daemonsets {SPEAKER}"]
    # The peers are opened before the DaemonSet is held.
    is_held = mark != "let the new sessions open"
    assert (ANNOTATION in held["metadata"].get("annotations", {})) == is_held
    assert (held["spec"]["updateStrategy"] == {"type": "OnDelete"}) == is_held
    case.apply()
    case.is_there(lab, works)
    reached = state(lab)
    assert reached[f"daemonsets {SPEAKER}"]["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    # The script finds nothing left to do, and takes back what the two of them have done.
    case.shell.ok("apply.sh")
    assert state(lab) == reached
    case.shell.ok("rollback.sh")
    assert state(lab) == start
    keeps_its_sessions(works, since)


def cut_off(case: Case, mark: str) -> None:
    """Run apply.sh and end it, by force, when it says this."""
    process = subprocess.Popen(
        ["sh", str(case.out / "apply.sh")],
        env=case.shell.env,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        assert any(mark in line for line in process.stdout)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
