"""The Python API: its names, what importing it costs, and that it does what the command line does."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import optimizer as bgp
from optimizer.cli.main import main
from tests.live_server import Server, kubeconfig, serving
from tests.objects import daemonset, list_of, node, peer, pod, speaker_pod, write
from tests.test_examples import EXAMPLES, tree

# fmt: off
NAMES = [
    "Cluster", "DumpedCluster", "Export", "InputError", "InternalError", "LabelSelector", "LiveCluster", "LiveError",
    "NoAnswerError", "Node", "NodeCost", "NodeRules", "OptimizerError", "OutputError", "Pace", "Placement", "Policy",
    "Requirement", "Resources", "Router", "Session", "SpeakerNeeds", "StoppedError", "Survive", "Topology",
    "ViolationError", "apply", "connect", "export", "make_plan", "optimize", "read_cluster", "read_live",
    "read_placement", "read_policy", "read_topology", "rollback", "verify", "write_placement",
]
# fmt: on
DUAL = EXAMPLES / "8-dual-tor"
SHOWN = """
import optimizer as bgp

cluster = bgp.read_cluster(["cluster.json"], topology="topology.yaml")
policy = bgp.Policy(speakers_per_router=2, survive=(bgp.Survive("rack"),))
placement = bgp.optimize(cluster, policy)
bgp.verify(cluster, policy, placement)
plan = bgp.make_plan(cluster, policy, placement, style="node-selector")
bgp.export(plan, "kubectl").write("patches")
"""


def run(*arguments: str | Path) -> None:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def test_the_names_are_these_and_all_are_there() -> None:
    assert sorted(bgp.__all__) == sorted(NAMES)
    assert sorted(name for names in bgp.HOMES.values() for name in names.split()) == sorted(NAMES)
    assert sorted(dir(bgp)) == sorted([*NAMES, "__version__"])
    for name in NAMES:
        assert getattr(bgp, name).__name__ == name
        assert getattr(bgp, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'optimise'"):
        _ = bgp.optimise  # type: ignore[attr-defined]


def test_the_names_for_type_checkers_are_the_same() -> None:
    source = Path(str(bgp.__file__)).read_text().partition("# isort: off")[2].partition("# isort: on")[0]
    found = re.findall(r"from \.([\w.]+) import (.+)", source)
    shown = {(module, name) for module, names in found for name in names.split(", ")}
    assert shown == {(module, name) for module, names in bgp.HOMES.items() for name in names.split()}


def test_importing_it_imports_nothing_heavy() -> None:
    script = "import sys, optimizer; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"ortools", "networkx", "numpy", "pandas", "kubernetes", "yaml", "click", "msgspec", "jsonpatch"}
    assert not heavy & set(done.stdout.split())


def racks(folder: Path) -> Path:
    """Three racks with a leaf each, as the objects and the topology of the example in the documentation."""
    names = [f"r{rack}-n{number}" for rack in (1, 2, 3) for number in (1, 2, 3)]
    nodes = [node(name, {"kubernetes.io/hostname": name, "rack": name[:2]}) for name in names]
    spines = [peer(f"spine-{number}", f"10.0.0.{number}") for number in (1, 2)]
    speakers = [speaker_pod(name) for name in names]
    write(folder / "cluster.json", list_of(*nodes, *spines, *speakers, daemonset()))
    (folder / "topology.yaml").write_text("failureDomains: [{kind: rack, nodeLabel: rack}]\n")
    return folder


def test_the_example_gives_the_patches_of_the_command_line(tmp_path: Path) -> None:
    racks(tmp_path)
    subprocess.run([sys.executable, "-c", SHOWN], cwd=tmp_path, check=True)
    cluster, placement = tmp_path / "cluster.json", tmp_path / "placement.json"
    run("optimize", cluster, "--topology", tmp_path / "topology.yaml", "--survive", "rack", "-o", placement)
    run("export", placement, cluster, "-o", tmp_path / "out")
    assert tree(tmp_path / "patches") == tree(tmp_path / "out") != {}


def test_files_are_read_and_written_as_the_command_line_does(tmp_path: Path) -> None:
    cluster = bgp.read_cluster(DUAL / "cluster.yaml", topology=DUAL / "topology.yaml")
    policy = bgp.read_policy(DUAL / "policy.yaml")
    placement = bgp.optimize(cluster, policy)
    bgp.write_placement(tmp_path / "ours.json", cluster, policy, placement)
    given = ("--topology", str(DUAL / "topology.yaml"), "--policy", str(DUAL / "policy.yaml"))
    run("optimize", DUAL / "cluster.yaml", *given, "-o", tmp_path / "theirs.json")
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "theirs.json").read_bytes()
    again, same, topology = bgp.read_placement(tmp_path / "ours.json")
    assert (again, same) == (placement, policy)
    assert bgp.verify(bgp.read_cluster([str(DUAL / "cluster.yaml")], topology=topology), same, again) == ()


def test_one_cluster_serves_several_policies(tmp_path: Path) -> None:
    folder = racks(tmp_path)
    cluster = bgp.read_cluster(folder / "cluster.json", folder / "topology.yaml")
    without = bgp.optimize(cluster, bgp.Policy())
    with_racks = bgp.optimize(cluster, bgp.Policy(survive=(bgp.Survive("rack", 2),)))
    assert (len(without.speakers), len(with_racks.speakers)) == (2, 3)
    assert bgp.optimize(cluster, bgp.Policy()) == without
    with pytest.raises(bgp.InputError, match="no such DaemonSet"):
        bgp.optimize(cluster, bgp.Policy(speaker=bgp.SpeakerNeeds(daemonset="other")))


def test_a_complete_cluster_made_by_hand_serves_as_well() -> None:
    nodes = tuple(bgp.Node(name) for name in ("a", "b", "c"))
    cluster = bgp.Cluster(nodes, routers=(bgp.Router("leaf"),), attachments={"leaf": ("a", "b", "c")})
    placement = bgp.optimize(cluster, bgp.Policy())
    assert placement.sessions == (bgp.Session("a", "leaf"), bgp.Session("b", "leaf"))
    assert bgp.verify(cluster, bgp.Policy(), placement) == ()


def test_errors_are_raised_and_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = racks(tmp_path)
    cluster = bgp.read_cluster(folder / "cluster.json", folder / "topology.yaml")
    told: list[str] = []
    placement = bgp.optimize(cluster, bgp.Policy(), progress=lambda what: told.append(str(what)))
    assert "reducing" in told
    for policy, sentence in (
        (bgp.Policy(speakers_per_router=0), "policy: speakersPerRouter must be from 1"),
        (bgp.Policy(survive=(bgp.Survive("feed"),)), "'feed' is no declared kind"),
        (bgp.Policy(peering="all"), "'all' is not known"),  # type: ignore[arg-type]
        (bgp.Policy(survive=bgp.Survive("rack")), "policy: survive: expected a list, found an object"),  # type: ignore[arg-type]
        (bgp.Policy(survive=("rack",)), "policy: survive[0]: expected an object, found text"),  # type: ignore[arg-type]
        (bgp.Policy(nodes=None), "policy: nodes: expected an object, found null"),  # type: ignore[arg-type]
        (None, "policy: expected Policy, got NoneType"),
        (bgp.Policy(goals=object()), "policy: goals: expected a list, found text"),  # type: ignore[arg-type]
    ):
        with pytest.raises(bgp.InputError, match=re.escape(sentence)):
            bgp.optimize(cluster, policy)  # type: ignore[arg-type]
    with pytest.raises(bgp.InputError, match="no-such-file: no such file"):
        bgp.connect(kubeconfig="no-such-file")
    with pytest.raises(bgp.InputError, match=re.escape("style: 'affinty' is not known; did you mean 'affinity'?")):
        bgp.make_plan(cluster, bgp.Policy(), placement, style="affinty")  # type: ignore[arg-type]
    with pytest.raises(bgp.InputError, match=re.escape("format: 'helmet' is not known; did you mean 'helm'?")):
        bgp.export(bgp.make_plan(cluster, bgp.Policy(), placement), "helmet")  # type: ignore[arg-type]
    with pytest.raises(bgp.ViolationError, match="spine-1"):
        bgp.make_plan(cluster, bgp.Policy(speakers_per_router=3), placement)
    infeasible = bgp.optimize(cluster, bgp.Policy(speakers_per_router=20))
    assert infeasible.status == "infeasible"
    for job in (bgp.verify, bgp.make_plan):
        with pytest.raises(bgp.ViolationError, match="its status is infeasible"):
            job(cluster, bgp.Policy(speakers_per_router=20), infeasible)
    assert tuple(capfd.readouterr()) == ("", "")


def test_a_topology_made_by_hand_is_checked_as_one_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = racks(tmp_path)
    (folder / "attached.csv").write_text("r1-n1,leaf\nr1-n2,leaf\n")
    (folder / "topology.yaml").write_text("attachments: attached.csv\n")
    monkeypatch.chdir(folder)
    given = bgp.Topology(attachments="attached.csv")
    three: Any = (("n1", "leaf", "x"),)
    none: Any = None
    assert bgp.read_cluster("cluster.json", given).topology == bgp.read_topology("topology.yaml")
    for topology, sentence in (
        (bgp.Topology(attachments="missing.csv"), "missing.csv: no such file"),
        (bgp.Topology(attachments=""), "topology: attachments: the path is empty"),
        (bgp.Topology(attachments=three), "topology: attachments[0]: expected a list of length 2"),
        (bgp.Topology(attachments=(("r1_n1", "leaf"),)), "topology: attachments[0]: 'r1_n1' cannot be the name of a"),
        (bgp.Topology(routers_from_label="a b"), "topology: routersFromLabel: 'a b' is not a label key"),
        (bgp.Topology(routers=none), "topology: routers: expected a list, found null"),
        ({}, "topology: expected a path, got dict"),
        (3, "topology: expected a path, got int"),
    ):
        with pytest.raises(bgp.InputError, match=re.escape(sentence)):
            bgp.read_cluster("cluster.json", topology)  # type: ignore[arg-type]


def test_arguments_of_a_wrong_type_are_named(tmp_path: Path) -> None:
    cluster, policy = bgp.read_cluster(racks(tmp_path) / "cluster.json"), bgp.Policy()
    placement = bgp.optimize(cluster, policy)
    bgp.write_placement(tmp_path / "p.json", cluster, policy, placement)
    plan: Any = bgp.make_plan(cluster, policy, placement)
    wrong: Any = bgp.read_placement(tmp_path / "p.json")
    forged = bgp.Placement("optimal", sessions=("a",))  # type: ignore[arg-type]
    untyped: Any = {}
    none: Any = None
    three: Any = 3
    text: Any = "cluster.json"
    for job, sentence in (
        (lambda: bgp.verify(cluster, policy, wrong), "placement: expected Placement, got tuple"),
        (
            lambda: bgp.write_placement(tmp_path / "o", cluster, policy, wrong),
            "placement: expected Placement, got tuple",
        ),
        (lambda: bgp.verify(cluster, policy, forged), "placement: sessions[0]: expected an object, found text"),
        (
            lambda: bgp.verify(wrong, policy, placement),
            "cluster: expected what read_cluster or read_live gives, got tu",
        ),
        (
            lambda: bgp.optimize(text, policy),
            "cluster: expected what read_cluster or read_live gives, got str",
        ),
        (lambda: bgp.optimize(cluster, untyped), "policy: expected Policy, got dict"),
        (lambda: bgp.optimize(cluster, bgp.Policy(nodes=untyped)), "policy: not made of the types of its fields"),
        (lambda: bgp.apply(wrong, policy, placement, "x"), "cluster: expected LiveCluster, got tuple"),
        (lambda: bgp.rollback(wrong, "x"), "cluster: expected LiveCluster, got tuple"),
        (lambda: bgp.export(wrong), "plan: expected what make_plan gives, got tuple"),
        (lambda: bgp.export(plan, none), "format: None is not known"),
        (lambda: bgp.export(plan).write(""), "the folder to write: the path is empty"),
        (lambda: bgp.read_cluster(none), "paths: expected Iterable, got NoneType"),
        (lambda: bgp.read_cluster([three]), "paths: expected a path, got int"),
        (lambda: bgp.read_cluster("x", product="bird"), "the product 'bird' is not known"),
        (lambda: bgp.read_live(untyped), "api: expected Api, got dict"),
        (lambda: bgp.connect(three), "kubeconfig: expected a path, got int"),
        (lambda: bgp.read_policy(three), "policy: expected a path, got int"),
        (lambda: bgp.read_topology(none), "topology: expected a path, got NoneType"),
    ):
        run: Any = job
        with pytest.raises(bgp.InputError, match=f"^{re.escape(sentence)}"):
            run()
    for name in ("a\0b", "\ud800"):
        for writing in (bgp.export(plan).write, lambda path: bgp.write_placement(path, cluster, policy, placement)):
            with pytest.raises(bgp.OutputError, match="cannot be the name of a file"):
                writing(name)


def test_a_placement_of_another_product_is_refused(tmp_path: Path) -> None:
    cluster = bgp.read_cluster(racks(tmp_path) / "cluster.json", tmp_path / "topology.yaml")
    placement = bgp.Placement("optimal", speakers=("r1-n1",), product="metallb")
    with pytest.raises(bgp.InputError, match="the placement is for metallb"):
        bgp.verify(cluster, bgp.Policy(), placement)


def test_nothing_to_change_writes_nothing(tmp_path: Path) -> None:
    bgp.Export().write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def live(tmp_path: Path) -> Iterator[bgp.LiveCluster]:
    """The same cluster on a server, with an application on a node that is full."""
    own = daemonset()
    own["metadata"] |= {"uid": "1", "generation": 1}
    names = ("n1", "n2", "n3")
    room = {"cpu": "1", "memory": "1Gi", "pods": 10}
    nodes = [node(name, {"kubernetes.io/hostname": name}, allocatable=room) for name in names]
    pods = [pod("full", "n1", requests={"cpu": "950m"})]
    with serving(Server(own, *nodes, *pods, peer("leaf", "10.0.0.1"))) as server:
        yield bgp.read_live(bgp.connect(kubeconfig(tmp_path, server.address)))


def test_a_live_cluster_is_placed_verified_and_planned(live: bgp.LiveCluster, tmp_path: Path) -> None:
    placement = bgp.optimize(live, bgp.Policy())
    assert placement.speakers == ("n2", "n3")
    assert bgp.verify(live, bgp.Policy(), placement) == ()
    assert bgp.make_plan(live, bgp.Policy(), placement, style="taints").steps
    bgp.write_placement(tmp_path / "p.json", live, bgp.Policy(), placement)
    _, policy, _ = bgp.read_placement(tmp_path / "p.json")
    assert policy == bgp.Policy(nodes=bgp.NodeRules(head_room=False))
    assert bgp.verify(live, policy, placement) == ()


def test_a_live_cluster_is_changed_only_for_a_placement_that_holds(live: bgp.LiveCluster, tmp_path: Path) -> None:
    placement = bgp.optimize(live, bgp.Policy())
    with pytest.raises(bgp.ViolationError, match="n9"):
        bgp.apply(live, bgp.Policy(), bgp.Placement("optimal", speakers=("n9",)), tmp_path / "back.json")
    with pytest.raises(bgp.ViolationError, match="its status is infeasible"):
        bgp.apply(live, bgp.Policy(), bgp.Placement("infeasible"), tmp_path / "back.json")
    with pytest.raises(bgp.InputError, match="cannot be the name of a file"):
        bgp.rollback(live, "a\0b")
    with pytest.raises(bgp.InputError, match="pace: timeout and interval must be more than 0"):
        bgp.rollback(live, tmp_path / "back.json", pace=bgp.Pace(timeout=-1))
    with pytest.raises(bgp.InputError, match="max_parallel must be at least 1, not 0"):
        bgp.apply(live, bgp.Policy(), placement, tmp_path / "back.json", max_parallel=0)
    with pytest.raises(bgp.InputError, match="no such rollback file"):
        bgp.rollback(live, tmp_path / "back.json", pace=bgp.Pace(timeout=1))
    assert placement.speakers
    assert not (tmp_path / "back.json").exists()
