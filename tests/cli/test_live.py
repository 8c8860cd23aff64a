"""The commands for a live cluster as they are used wrongly: one sentence, and the exit code that is promised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optimizer.cli.main import main
from optimizer.inputs.placement import placement_to_json
from optimizer.inputs.topology import Topology
from optimizer.model import Policy, Session
from optimizer.rollout.rollback_file import Rollback, write_rollback
from optimizer.speakers.openelb import OpenELB
from tests.exports.export_inputs import KEY, POLICY, VALUE, placed
from tests.live_server import Server, failure, kubeconfig, serving
from tests.objects import SPEAKER, SYSTEM, daemonset, node, peer, speaker_pod

TIME, LATER = "2026-05-01T10:00:00Z", "2026-05-01T10:00:09Z"
COMMANDS = ("plan", "apply", "rollback")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def sentence(*arguments: object, code: int = 1) -> str:
    """What a command that does not work says: the exit code is this, and nothing else goes out."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    *_, last = result.stderr.splitlines()
    assert last.startswith("bgp-speakers: ")
    assert result.stderr.count("bgp-speakers: ") == 1
    return last.removeprefix("bgp-speakers: ")


@pytest.fixture
def placement(tmp_path: Path) -> Path:
    return write(tmp_path, "placement.json")


def write(folder: Path, name: str, policy: Policy = POLICY, status: str = "optimal", router: str = "leaf") -> Path:
    made = {"status": status, "speakers": ("n1", "n2"), "sessions": (Session("n1", router), Session("n2", router))}
    file = folder / name
    chosen = type(placed())(**(made if status != "infeasible" else {"status": status}))
    file.write_bytes(placement_to_json(chosen, policy, Topology()))
    return file


@pytest.fixture
def server() -> Iterator[Server]:
    names = ("n1", "n2", "n3")
    own = daemonset(nodeSelector={KEY: VALUE})
    own["metadata"] |= {"uid": "1", "generation": 1}
    pods = [speaker_pod(name, labels={"app": "openelb", "component": "speaker"}) for name in names[:2]]
    nodes = [node(name, {"kubernetes.io/hostname": name} | ({KEY: VALUE} if name != "n3" else {})) for name in names]
    with serving(Server(own, *nodes, *pods, peer("leaf", "10.0.0.1"))) as found:
        yield found


@pytest.fixture
def login(server: Server, tmp_path: Path) -> list[object]:
    return ["--kubeconfig", kubeconfig(tmp_path, server.address)]


@pytest.mark.parametrize("command", ["apply", "rollback"])
def test_without_yes_nothing_is_asked_of_the_server(
    server: Server, login: list[object], placement: Path, command: str
) -> None:
    result = run(command, placement, *login)
    assert (result.exit_code, server.requests) == (2, [])
    assert "give --yes" in result.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [("--max-parallel", "0"), ("--timeout", "0"), ("--interval", "-1"), ("--style", "other"), ("--nonsense", "1")],
)
def test_options_that_make_no_sense_are_usage_errors(placement: Path, option: str, value: str) -> None:
    result = run("apply", placement, option, value, "--yes")
    assert result.exit_code == 2
    assert option in result.stderr


def test_an_infeasible_placement_is_none(tmp_path: Path, server: Server, login: list[object]) -> None:
    file = write(tmp_path, "none.json", status="infeasible")
    for command in (["plan"], ["apply", "--yes"]):
        told = sentence(*command, file, *login, code=4)
        assert told == f"the placement does not hold: {file} holds no placement: its status is infeasible"
    assert server.requests == []


def test_a_rollback_file_that_is_missing_or_none(tmp_path: Path, server: Server, login: list[object]) -> None:
    none = tmp_path / "none.json"
    told = sentence("rollback", none, "--yes", *login)
    assert told == f"{none}: there is no such rollback file; apply writes it"
    none.write_text("{}")
    told = sentence("rollback", none, "--yes", *login)
    assert told.startswith(f"{none}: not a rollback file of version bgp-speakers/v1 (")
    assert server.requests == []


def test_a_rollback_file_of_another_daemonset(tmp_path: Path, server: Server, login: list[object]) -> None:
    file = tmp_path / "old.rollback.json"
    write_rollback(file, Rollback(SYSTEM, SPEAKER, "other", (KEY, VALUE), "bgp", "abc", (), "openelb"))
    told = sentence("rollback", file, "--yes", *login)
    assert told == f"{file}: is of another DaemonSet {SYSTEM}/{SPEAKER} than {server.address} has by now"
    assert {each.method for each in server.requests} == {"GET"}


def test_a_placement_that_is_missing_or_none(tmp_path: Path, login: list[object]) -> None:
    none = tmp_path / "none.json"
    assert sentence("plan", none, *login).startswith(f"{none}: ")
    none.write_text('{"kind": "Rollback"}')
    assert sentence("apply", none, "--yes", *login).startswith(f"{none}: ")


def test_a_kubeconfig_that_is_missing_or_broken(tmp_path: Path, placement: Path) -> None:
    file = tmp_path / "kubeconfig"
    rollback = tmp_path / "it.rollback.json"
    write_rollback(rollback, Rollback(SYSTEM, SPEAKER, "1", (KEY, VALUE), "bgp", "abc", (), "openelb"))
    for command in (["plan", placement], ["apply", placement, "--yes"], ["rollback", rollback, "--yes"]):
        assert sentence(*command, "--kubeconfig", tmp_path / "none") == f"{tmp_path / 'none'}: no such file"
    file.write_text("[")
    assert sentence("plan", placement, "--kubeconfig", file).startswith(f"{file}")
    kubeconfig(tmp_path, "http://127.0.0.1:1", "kubeconfig")
    assert "nowhere" in sentence("plan", placement, "--kubeconfig", file, "--context", "nowhere")


def test_a_cluster_without_the_daemonset_or_without_the_nodes(
    server: Server, login: list[object], placement: Path
) -> None:
    server.objects = [each for each in server.objects if each["metadata"]["name"] != "n2"]
    result = run("plan", placement, *login)
    assert (result.exit_code, "n2" in result.stderr) == (4, True)
    server.objects = [each for each in server.objects if each["kind"] != "DaemonSet"]
    assert sentence("plan", placement, *login) == (
        f"{server.address}: there is no DaemonSet of OpenELB's speakers (--daemonset names one by hand)"
    )


def test_a_placement_that_does_not_hold_any_more_is_a_violation(
    tmp_path: Path, server: Server, login: list[object], placement: Path
) -> None:
    server.objects[1]["spec"]["unschedulable"] = True
    assert "n1" in sentence("apply", placement, "--yes", *login, code=4)
    assert list(tmp_path.glob("*.rollback.json")) == []
    assert {each.method for each in server.requests} == {"GET"}


def test_nothing_to_change_is_told_and_writes_no_rollback_file(
    tmp_path: Path, server: Server, login: list[object], placement: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A report may need its time to be believed: that is waited for besides.
    monkeypatch.setattr(OpenELB, "report_period", 0.4)
    told = run("plan", placement, *login)
    assert (told.exit_code, told.stdout) == (
        0,
        "plan          nothing to change: the cluster is as the placement wants it\n",
    )
    data = json.loads(run("plan", placement, "--format", "json", *login).stdout)
    assert (data["steps"], data["edits"], data["refused"]) == ([], [], [])
    pace = ["--timeout", "0.1", "--interval", "0.01"]
    told_of = sentence("apply", placement, "--yes", *login, *pace)
    assert told_of == (
        "stopped at the last look, in a safe state: still missing after 0.1 s, and 0.4 s that a report may "
        "take: the speaker on n1, the speaker on n2, the session n1 - leaf, the session n2 - leaf; "
        "nothing was changed"
    )
    for each in server.objects:
        if each["kind"] == "Pod":
            each["status"] |= {"startTime": TIME, "conditions": [{"type": "Ready", "status": "True"}]}
        if each["kind"] == "BgpPeer":
            up = {"peerState": {"sessionState": "ESTABLISHED"}, "timersState": {"uptime": LATER}}
            each["status"] = {"nodesPeerStatus": {"n1": up, "n2": up}}
    done = run("apply", placement, "--yes", *login, *pace)
    assert (done.exit_code, done.stdout) == (0, "done: 2 speakers, 2 sessions established\n")
    assert list(tmp_path.glob("*.rollback.json")) == []
    assert {each.method for each in server.requests} == {"GET"}


def test_a_server_that_refuses_is_told_in_one_sentence(server: Server, login: list[object], placement: Path) -> None:
    server.ordered.append(failure(403, "daemonsets.apps is forbidden"))
    told = sentence("plan", placement, *login)
    assert told == (
        f"{server.address}: cannot list all daemonsets: daemonsets.apps is forbidden (403); a role that allows to list "
        "daemonsets is missing"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_cluster(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--kubeconfig" in result.stdout
