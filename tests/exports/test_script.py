from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from optimizer.exports.export import export
from optimizer.kube.patches import merge
from optimizer.plan.hold import strategy
from optimizer.plan.objects import objects_of
from optimizer.plan.plan import make_plan
from optimizer.plan.template import STYLES, Style
from tests.api_server import World, serving
from tests.exports.export_inputs import (
    DAEMONSET,
    KEY,
    OURS,
    POLICY,
    TWO_RACKS,
    VALUE,
    cluster,
    node,
    peer,
    placed,
    two_racks,
)
from tests.exports.export_shell import (
    Shell,
    moving,
    moving_with,
    needs_kubectl,
    plain,
    real_kubectl,
    rendered,
    settled,
    without_nodes,
    written,
)

# The scripts, with a kubectl that only writes down what it is asked for.


RECORDER = """#!/bin/sh
printf '%s\\n' "$*" >>"$0.calls"
case "$*" in
*"-o name"*) ;;
*jsonpath*) echo "as it was" ;;
"get nodes "*) shift 2; for name; do case $name in -*) break ;; *) echo "$name <none>" ;; esac; done ;;
esac
"""


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    path = tmp_path / "kubectl"
    path.write_text(RECORDER)
    path.chmod(0o755)
    return path


def calls_of(recorder: Path) -> list[str]:
    calls = Path(f"{recorder}.calls").read_text().splitlines()
    return [line for line in calls if not line.startswith("get")]


def test_apply_sh_calls_kubectl_in_order(tmp_path: Path, recorder: Path) -> None:
    folder = written(tmp_path, export(make_plan(*moving_with("taints")), "kubectl"))
    Shell(folder, str(recorder)).ok("apply.sh", TIMEOUT="0")
    calls = calls_of(recorder)
    # This kubectl says that old-1 is not as the script has led it, so old-1 is not deleted.
    assert [" ".join(line.split()[:3]) for line in calls] == [
        "create -f 10-1-create-bgppeer-leaf-2.yaml",
        "patch bgppeers.network.kubesphere.io old-1",
        "patch bgppeers.network.kubesphere.io leaf-1",
        "label nodes a1",
        "patch daemonsets.apps openelb-speaker",
        "patch daemonsets.apps openelb-speaker",
        "label nodes a2",
        "patch bgppeers.network.kubesphere.io leaf-1",
        "taint nodes a1",
        "patch daemonsets.apps openelb-speaker",
    ]
    assert calls[3] == f"label nodes a1 a2 a3 b1 b2 {KEY}={VALUE} --overwrite"


@pytest.mark.parametrize(("setting", "seconds"), [("", "5"), ("7", "7")])
def test_between_the_labels_and_the_template_the_scripts_sleep(
    setting: str, seconds: str, tmp_path: Path, recorder: Path
) -> None:
    sleep = tmp_path / "bin" / "sleep"
    sleep.parent.mkdir()
    sleep.write_text(f'#!/bin/sh\necho "sleep $*" >>"{recorder}.calls"\n')
    sleep.chmod(0o755)
    path = f"{sleep.parent}:{os.environ['PATH']}"
    found, placement = moving()
    folder = written(tmp_path, export(make_plan(found, POLICY, placement, "node-selector"), "kubectl"))
    Shell(folder, str(recorder)).ok("apply.sh", TIMEOUT="0", SETTLE=setting, PATH=path)
    calls = [line.split()[0] if line.startswith(("label", "patch")) else line for line in calls_of(recorder)]
    at = calls.index(f"sleep {seconds}")
    assert calls[at - 2 : at + 2] == ["label", "patch", f"sleep {seconds}", "patch"]
    assert sum(line.startswith("sleep") for line in calls) == 1


def test_nodes_go_to_kubectl_a_hundred_at_a_time(tmp_path: Path, recorder: Path) -> None:
    names = [f"node-{number:05d}.example.com" for number in range(10_000)]
    found = cluster([node(name) for name in names])
    folder = written(tmp_path, export(make_plan(found, POLICY, placed(speakers=names), "node-selector"), "kubectl"))
    Shell(folder, str(recorder)).ok("apply.sh", TIMEOUT="0")
    calls = [line.split() for line in calls_of(recorder) if line.startswith("label")]
    assert (len(calls), {len(call) for call in calls}) == (100, {104})
    assert [name for call in calls for name in call[2:-2]] == names


def test_a_failure_of_kubectl_ends_the_script(tmp_path: Path) -> None:
    folder = written(tmp_path, export(make_plan(*moving_with("taints")), "kubectl"))
    assert Shell(folder, "false").run("apply.sh", TIMEOUT="0").returncode != 0


# The scripts, with the real kubectl and an API server.


def fewest(world: World, address: str) -> int:
    """The fewest sessions that an address has had at any moment."""
    return min(sum(at == address for _, at in moment) for moment in world.moments)


@needs_kubectl
@pytest.mark.parametrize("style", STYLES)
def test_apply_sh_brings_the_placement_and_rollback_sh_takes_it_back(style: Style, tmp_path: Path) -> None:
    found, placement = moving()
    out = written(tmp_path, export(make_plan(found, POLICY, placement, style), "kubectl"))
    world = World(objects_of(found))
    start, wished = plain(world.objects), plain(World(settled(found, placement, style)).objects)
    with serving(world) as url:
        shell = Shell(out, real_kubectl(url, tmp_path))
        shell.ok("apply.sh")
        assert plain(world.objects) == wished
        assert world.speakers() == list(placement.speakers)
        assert not any(map(world.outdated, world.pods))
        # Today a1 and a2 peer with leaf-1, in the end a1 and a3: each is restarted while the other two are up.
        assert fewest(world, "10.0.0.1") == 2
        shell.ok("apply.sh")
        assert plain(world.objects) == wished
        for _ in range(2):
            shell.ok("rollback.sh")
            assert plain(world.objects) == start
            assert not any(map(world.outdated, world.pods))
        assert fewest(world, "10.0.0.1") >= 1


@needs_kubectl
def test_a_round_waits_until_the_sessions_of_the_one_before_are_up(tmp_path: Path) -> None:
    found = two_racks()
    out = written(tmp_path, export(make_plan(found, POLICY, TWO_RACKS, "node-selector"), "kubectl"))
    world = World(objects_of(found))
    with serving(world) as url:
        shell = Shell(out, real_kubectl(url, tmp_path))
        done = shell.ok("apply.sh")
    assert ("round 1: 2 speakers" in done, "round 2: 2 speakers" in done, "round 3" in done) == (True, True, False)
    assert len([line for line in world.log if "Pod" in line]) == 4
    # While c1 still runs, leaf-1 keeps its two sessions; leaf-2 has none to spare.
    assert (fewest(world, "10.0.0.1"), fewest(world, "10.0.0.2")) == (2, 1)


@needs_kubectl
def test_a_bgppeer_of_the_same_name_that_is_another_one_is_not_taken_for_ours(tmp_path: Path) -> None:
    found, placement = moving()
    out = written(tmp_path, export(make_plan(found, POLICY, placement, "node-selector"), "kubectl"))
    world = World(objects_of(found))
    world.objects["BgpPeer", "", "leaf-2"] = dict(peer("leaf-2", "10.9.9.9").manifest)
    foreign = world.objects["BgpPeer", "", "leaf-2"]
    with serving(world) as url:
        shell = Shell(out, real_kubectl(url, tmp_path))
        done = shell.run("apply.sh")
        back = shell.run("rollback.sh")
    assert done.returncode == 1
    assert "leaf-2 exists already, but not as 10-1-create-bgppeer-leaf-2.yaml has it" in done.stderr
    # It has not come to hold the DaemonSet, and does not say so.
    assert "OnDelete" not in done.stderr
    assert strategy(world.objects[DAEMONSET]) == "RollingUpdate"
    assert "left alone, since it is not as these scripts make it: bgppeers.network.kubesphere.io leaf-2" in back.stdout
    assert world.objects["BgpPeer", "", "leaf-2"] == foreign


@needs_kubectl
def test_rollback_sh_leaves_out_a_node_that_is_gone(tmp_path: Path) -> None:
    found, placement = moving()
    out = written(tmp_path, export(make_plan(found, POLICY, placement, "taints"), "kubectl"))
    world = World(objects_of(found))
    start = plain(world.objects)
    with serving(world) as url:
        shell = Shell(out, real_kubectl(url, tmp_path))
        shell.ok("apply.sh")
        for name in ("a2", "b2"):
            del world.objects["Node", "", name]
            del start["Node", "", name]
        shell.ok("rollback.sh")
        assert plain(world.objects) == start


@needs_kubectl
@pytest.mark.parametrize("allowed", [1, 3, 9, 10, 12, 14, 17, 21])
def test_after_an_interruption_apply_sh_goes_on_and_rollback_sh_goes_back(allowed: int, tmp_path: Path) -> None:
    found, placement = moving()
    out = written(tmp_path, export(make_plan(found, POLICY, placement, "taints"), "kubectl"))
    wished = plain(World(settled(found, placement, "taints")).objects)
    for script, goal in (("apply.sh", wished), ("rollback.sh", None)):
        world = World(objects_of(found))
        start = plain(world.objects)
        with serving(world) as url:
            shell = Shell(out, real_kubectl(url, tmp_path))
            world.allowed = allowed
            assert shell.run("apply.sh").returncode != 0
            world.allowed = None
            shell.ok(script)
            assert plain(world.objects) == (goal or start)
            assert not any(map(world.outdated, world.pods))


@needs_kubectl
def test_apply_sh_stops_before_anything_is_removed_while_a_session_is_missing(tmp_path: Path) -> None:
    found, placement = moving()
    out = written(tmp_path, export(make_plan(found, POLICY, placement, "node-selector"), "kubectl"))
    world = World(objects_of(found))
    world.down = {("a3", "10.0.0.1")}
    with serving(world) as url:
        shell = Shell(out, real_kubectl(url, tmp_path))
        done = shell.run("apply.sh", TIMEOUT="1")
        assert done.returncode == 1
        assert "a3 leaf-1\nstopped: 1 of 4 established sessions are missing after 1 s" in done.stderr
        assert "Nothing has been removed yet" in done.stderr
        assert "has the update strategy OnDelete now" in done.stderr
        assert strategy(world.objects[DAEMONSET]) == "OnDelete"
        assert not any("Pod" in line for line in world.log)
        assert {"a1", "a2"} <= set(world.speakers())
        assert ("a2", "10.0.0.1") in world.sessions()
        world.down = set()
        shell.ok("apply.sh")
        assert world.speakers() == list(placement.speakers)


@needs_kubectl
def test_nodes_that_are_gone_need_no_removal(tmp_path: Path) -> None:
    nodes = [node("a1", chosen=True, taints=[OURS]), node("a2", chosen=True, taints=[OURS]), node("a3", chosen=True)]
    found = cluster(nodes, pod={"nodeSelector": {KEY: VALUE}})
    out = written(tmp_path, export(make_plan(found, POLICY, placed(speakers=["a1"]), "node-selector"), "kubectl"))
    world = World(objects_of(found))
    del world.objects["Node", "", "a2"]
    with serving(world) as url:
        Shell(out, real_kubectl(url, tmp_path)).ok("apply.sh")
    assert world.speakers() == ["a1"]
    assert [line for line in world.log if "Node" in line] == ["patch Node a1", "patch Node a3"]


@needs_kubectl
@pytest.mark.parametrize("style", STYLES)
def test_helm_scripts_around_an_upgrade_and_a_rollback(style: Style, tmp_path: Path) -> None:
    found, placement = moving()
    out = written(tmp_path, export(make_plan(found, POLICY, placement, style), "helm"))
    values = yaml.safe_load((out / "values.yaml").read_text())["speaker"]
    world = World(objects_of(found))
    start = plain(world.objects)
    with serving(world) as url:
        shell = Shell(out, real_kubectl(url, tmp_path))
        shell.ok("before.sh")
        early = shell.run("after.sh")
        assert (early.returncode, "run helm upgrade" in early.stderr) == (1, True)
        before = world.objects[DAEMONSET]["spec"]["template"]["spec"]
        world.change(DAEMONSET, merge(world.objects[DAEMONSET], {"spec": {"template": {"spec": values}}}))
        shell.ok("after.sh")
        assert plain(world.objects) == plain(World(settled(found, placement, style)).objects)
        assert fewest(world, "10.0.0.1") == 2
        late = shell.run("rollback.sh")
        assert (late.returncode, "run helm rollback" in late.stderr) == (1, True)
        held = world.objects[DAEMONSET]["spec"]
        template = {**held["template"], "spec": before}
        world.change(DAEMONSET, {**world.objects[DAEMONSET], "spec": {**held, "template": template}})
        shell.ok("rollback.sh")
        assert plain(world.objects) == start


@needs_kubectl
@pytest.mark.parametrize("style", STYLES)
def test_kustomize_scripts_around_the_component(style: Style, tmp_path: Path) -> None:
    found, placement = moving()
    out = written(tmp_path, export(make_plan(found, POLICY, placement, style), "kustomize"))
    world = World(objects_of(found))
    base, start = without_nodes(objects_of(found)), plain(world.objects)

    def apply(name: str) -> None:
        # What the kustomization does not say stays: the update strategy, and the annotation that keeps the earlier one.
        for key, each in (rendered(tmp_path, base, out, name) if name else base).items():
            old = world.objects.get(key, {"metadata": {}, "spec": {}})
            kept = {name: part for name, part in old["metadata"].items() if name == "annotations"}
            live = {name: part for name, part in old["spec"].items() if name == "updateStrategy"}
            world.change(key, {**each, "metadata": kept | each["metadata"], "spec": live | each["spec"]})
        # Like an apply without pruning, but for what was created and is gone from the kustomization.
        world.objects = {key: each for key, each in world.objects.items() if name or key != ("BgpPeer", "", "leaf-2")}

    with serving(world) as url:
        shell = Shell(out, real_kubectl(url, tmp_path))
        shell.ok("nodes-before.sh")
        assert "apply your kustomization" in shell.run("nodes-after.sh").stderr
        apply("component-transition")
        shell.ok("nodes-after.sh")
        assert fewest(world, "10.0.0.1") == 2
        apply("component")
        assert plain(world.objects) == plain(World(settled(found, placement, style)).objects)
        assert "apply your earlier kustomization" in shell.run("rollback.sh").stderr
        apply("")
        shell.ok("rollback.sh")
        assert plain(world.objects) == start
