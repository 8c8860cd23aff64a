from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from optimizer.exports.export import FORMATS, Export, Format, export
from optimizer.exports.kubectl import WAITED, watched
from optimizer.exports.kustomize import overlay
from optimizer.kube.changes import Label, Patch, apply_changes
from optimizer.kube.patches import merge
from optimizer.kube.selectors import selector_text
from optimizer.model import Policy
from optimizer.plan.hold import ANNOTATION
from optimizer.plan.objects import objects_of
from optimizer.plan.plan import make_plan
from optimizer.plan.template import STYLES, Style
from tests.exports.export_inputs import (
    DAEMONSET,
    KEY,
    POLICY,
    TWO_RACKS,
    VALUE,
    cluster,
    daemonset,
    hostnames,
    node,
    peer,
    placed,
    two_racks,
)
from tests.exports.export_shell import (
    local,
    moving,
    moving_with,
    needs_kubectl,
    plain,
    rendered,
    settled,
    without_nodes,
    written,
)

# The files.


def test_nothing_to_change_gives_no_files() -> None:
    found = two_racks()
    nodes = [node(each.name, each.labels["rack"], each.name != "c1") for each in found.nodes]
    same = cluster(nodes, found.routers, found.peers, {"nodeSelector": {KEY: VALUE}}, running=TWO_RACKS.speakers)
    assert export(make_plan(same, POLICY, TWO_RACKS, "node-selector"), "kubectl") == Export()


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("style", STYLES)
def test_same_input_gives_the_same_bytes_and_every_file_says_what_it_is(style: Style, format_: Format) -> None:
    found, placement = moving()
    result = export(make_plan(found, POLICY, placement, style), format_)
    shuffled = replace(
        placement, speakers=tuple(reversed(placement.speakers)), sessions=tuple(reversed(placement.sessions))
    )
    assert export(make_plan(found, POLICY, shuffled, style), format_).files == result.files
    for name, text in result.files.items():
        assert text.startswith("An export" if name == "README.txt" else ("# ", "#!/bin/sh\n# ")), name
        assert text.endswith("\n")
    assert result.executable == {name for name in result.files if name.endswith(".sh") and name != "functions.sh"}


@pytest.mark.parametrize("format_", FORMATS)
def test_scripts_are_posix_shell(format_: Format, tmp_path: Path) -> None:
    folder = written(tmp_path, export(make_plan(*moving_with("taints")), format_))
    for script in folder.rglob("*.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)


def test_kubectl_files_are_numbered_in_the_order_of_apply_sh() -> None:
    files = export(make_plan(*moving_with("taints")), "kubectl").files
    used = re.findall(
        r"^(?:create|label|unlabel|taint|untaint|patch_json|patch_merge|restart_speakers) (\S+)",
        files["apply.sh"],
        re.MULTILINE,
    )
    assert used == sorted(name for name in files if name[:2].isdigit())
    assert used == [
        "10-1-create-bgppeer-leaf-2.yaml",
        "10-2-patch-bgppeer-old-1.yaml",
        "10-3-patch-bgppeer-leaf-1.yaml",
        "20-label-nodes.txt",
        "30-patch-daemonset-openelb-speaker.yaml",
        "40-patch-daemonset-openelb-speaker.yaml",
        "50-restart-nodes.txt",
        "60-unlabel-nodes.txt",
        "70-1-patch-bgppeer-leaf-1.yaml",
        "80-taint-nodes.txt",
        "90-patch-daemonset-openelb-speaker.yaml",
    ]


def test_helm_values_hold_whole_lists_and_only_what_the_style_needs() -> None:
    values = {
        style: yaml.safe_load(export(make_plan(*moving_with(style)), "helm").files["values.yaml"])["speaker"]
        for style in STYLES
    }
    ours = {"key": KEY, "operator": "Equal", "value": VALUE, "effect": "NoSchedule"}
    assert values["node-selector"] == {"nodeSelector": {"kubernetes.io/os": "linux", KEY: VALUE}}
    assert values["taints"] == {
        "nodeSelector": {"kubernetes.io/os": "linux", KEY: VALUE},
        "tolerations": [{"key": "x", "operator": "Exists"}, ours],
    }
    (name, affinity), *rest = values["affinity"].items()
    assert (name, rest) == ("affinity", [])
    (term,) = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [part["key"] for part in term["matchExpressions"]] == ["kubernetes.io/os", KEY]


def test_hazards_are_those_of_the_export() -> None:
    told = [str(each) for each in export(make_plan(*moving_with("affinity")), "helm").hazards]
    assert [("restarted" in told[0]), "edited" in told[1], "old-1 is deleted" in told[2], "template" in told[3]] == [
        True
    ] * 4


def test_layer2_waits_for_speakers_alone() -> None:
    found, placement = two_racks(running=["a1"]), placed(speakers=["a1", "b1"])
    files = export(make_plan(found, Policy(mode="layer2"), placement, "affinity"), "kubectl").files
    assert "wait_speakers speakers.txt" in files["apply.sh"]
    assert "wait_sessions" not in files["apply.sh"]


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_noted_of_a_daemonset_that_was_let_go_by_hand_is_removed(format_: Format) -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({"nodeSelector": {KEY: VALUE}}, updateStrategy={"type": "RollingUpdate"})
    manifest["metadata"]["annotations"] = {ANNOTATION: "x"}
    noted = replace(found, speaker=replace(found.speaker, manifest=manifest))
    made = export(make_plan(noted, POLICY, TWO_RACKS, "node-selector"), format_)
    assert any("patch_merge" in text and "daemonset" in text for text in made.files.values())
    assert not any("template" in each for each in map(str, made.hazards))


def test_a_daemonset_that_is_updated_by_hand_is_left_so() -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({}, updateStrategy={"type": "OnDelete"})
    by_hand = replace(found, speaker=replace(found.speaker, manifest=manifest))
    for case, restarts in ((found, True), (by_hand, False)):
        files = export(make_plan(case, POLICY, TWO_RACKS, "taints"), "helm").files
        assert ("restart_speakers " in files["after.sh"]) == restarts
        assert ("daemonset-openelb-speaker.yaml" in files["before.sh"]) == restarts


@pytest.mark.parametrize("style", STYLES)
def test_helm_and_kustomize_hold_restarts_before_and_resume_them_last(style: Style) -> None:
    for format_, prefix in (("helm", ""), ("kustomize", "nodes-")):
        files = export(make_plan(*moving_with(style)), format_).files  # type: ignore[arg-type]
        before, resume = calls_in(files[f"{prefix}before.sh"]), files[f"{prefix}after.sh"]
        # The last change before the tool's edit of the template.
        *earlier, last, settle = before
        assert (last.split()[0], settle) == ("patch_merge", "settle")
        hold = last.split()[1]
        assert "OnDelete" in files[hold]
        assert ANNOTATION in files[hold]
        assert [line.split()[0] for line in earlier if "daemonset" in line or line.startswith("label ")] == ["label"]
        # The last round is waited for as the ones before are, and only then does anything go.
        order = ["restart_speakers ", "wait_speakers ", "wait_sessions ", "unlabel ", "patch_merge "]
        calls = [line for line in resume.splitlines() if line.startswith(tuple(order))]
        assert [next(word for word in order if line.startswith(word)) for line in calls[:4]] == order[:4]
        assert all(WAITED in line for line in calls[:3])
        assert calls.index(next(line for line in calls if line.startswith("patch_merge "))) > 3


def calls_in(script: str) -> list[str]:
    """The lines of a script that look at the cluster or change it, once the functions are there."""
    lines = script.partition(". ./functions.sh\n")[2].splitlines()
    return [line for line in lines if line and not line.startswith("say ")]


@pytest.mark.parametrize("style", STYLES)
def test_labels_settle_before_the_template_asks_for_them_and_it_settles_before_they_go(style: Style) -> None:
    files = export(make_plan(*moving_with(style)), "kubectl").files
    apply, back = calls_in(files["apply.sh"]), calls_in(files["rollback.sh"])

    def is_template(line: str) -> bool:
        return "patch-daemonset" in line and "template" in files[line.split()[1]]

    def is_hold(line: str) -> bool:
        return "patch-daemonset" in line and not is_template(line)

    (at,), (edit,) = ([i for i, line in enumerate(apply) if test(line)] for test in ("settle".__eq__, is_template))
    assert edit == at + 1
    assert is_hold(apply[at - 1])
    assert apply[at - 2].startswith("label ")
    (at,), (edit,) = ([i for i, line in enumerate(back) if test(line)] for test in ("settle".__eq__, is_template))
    assert edit < at < next(i for i, line in enumerate(back) if line.startswith("unlabel "))
    # Until the speakers have the old template and their sessions are up, it restarts none by itself.
    (_, letting_go) = (i for i, line in enumerate(back) if is_hold(line))
    assert back[edit + 1].startswith("restart_speakers ")
    assert [line.split()[0] for line in back[at + 1 : letting_go]] == ["wait_speakers"]

    for format_, prefix in (("helm", ""), ("kustomize", "nodes-")):
        files = export(make_plan(*moving_with(style)), format_).files  # type: ignore[arg-type]
        before, back = calls_in(files[f"{prefix}before.sh"]), calls_in(files["rollback.sh"])
        assert (before.index("settle"), before.count("settle")) == (len(before) - 1, 1)
        at = back.index("settle")
        assert back.count("settle") == 1
        assert (back[at - 1].split()[0], back[at + 1].split()[0]) == ("expect", "restart_speakers")
        assert at < next(i for i, line in enumerate(back) if line.startswith("unlabel "))
        assert "settle" not in calls_in(files[f"{prefix}after.sh"])


def test_the_way_back_ends_once_the_template_is_known_where_that_is_its_last_change() -> None:
    found = cluster([node("a1", chosen=True)])
    assert found.speaker is not None
    by_hand = replace(found.speaker, manifest=daemonset({}, updateStrategy={"type": "OnDelete"}))
    plan = make_plan(replace(found, speaker=by_hand), POLICY, placed(speakers=["a1"]), "node-selector")
    lines = export(plan).files["rollback.sh"].splitlines()
    assert [step.name for step in plan.steps] == ["daemonset"]
    assert [line.split(" ")[0] for line in lines[-5:] if line] == ["patch_merge", "settle", "say"]


@pytest.mark.parametrize("format_", FORMATS)
def test_labels_alone_need_no_time_to_settle(format_: Format) -> None:
    found = two_racks()
    nodes = [node(each.name, each.labels["rack"], each.name != "a2") for each in found.nodes]
    running = ["a1", "b1", "b2", "c1"]
    asks = cluster(nodes, found.routers, found.peers, {"nodeSelector": {KEY: VALUE}}, running=running)
    made = export(make_plan(asks, POLICY, TWO_RACKS, "node-selector"), format_)
    assert [step.name for step in made.steps] == ["label-speakers", "unlabel-nodes"]
    assert not any("settle" in calls_in(text) for name, text in made.files.items() if name in made.executable)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_cluster_that_was_left_held_is_exported_in_every_format(format_: Format) -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({"nodeSelector": {KEY: VALUE}}, updateStrategy={"type": "OnDelete"})
    manifest["metadata"]["annotations"] = {ANNOTATION: '{"type": "RollingUpdate"}'}
    nodes = [replace(each, labels={**each.labels, KEY: VALUE}) for each in found.nodes]
    held = replace(found, nodes=tuple(nodes), speaker=replace(found.speaker, manifest=manifest))
    made = export(make_plan(held, POLICY, TWO_RACKS, "node-selector"), format_)
    assert [step.name for step in made.steps] == ["restart-speakers", "unlabel-nodes", "resume-restarts"]
    (told,) = map(str, made.hazards)
    assert told.startswith("an earlier change has held DaemonSet openelb-system/openelb-speaker: its speakers that")
    # A restart waits for sessions, which the second of three steps may open: so it is not in the first.
    scripts = [name for name, text in made.files.items() if "\nrestart_speakers " in text]
    assert scripts == [{"kubectl": "apply.sh", "helm": "after.sh", "kustomize": "nodes-after.sh"}[format_]]


def test_a_selector_of_pods_by_expressions_is_given_to_kubectl() -> None:
    expressions = [
        {"key": "app", "operator": "In", "values": ["speaker", "bgp"]},
        {"key": "tier", "operator": "NotIn", "values": ["x"]},
        {"key": "a/b", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    assert selector_text({"matchExpressions": expressions}) == "app in (speaker,bgp),tier notin (x),a/b,!old"


def test_an_overlay_works_over_the_old_value_and_over_nothing() -> None:
    old, new = {"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"y": 2, "z": 3}, "b": [2]}
    for base in (old, {}):
        assert merge(base, overlay(old, new)) == new


# The real kubectl without a cluster.


@needs_kubectl
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("undo", [False, True])
def test_kubectl_patch_agrees_with_the_application_in_memory(style: Style, undo: bool, tmp_path: Path) -> None:
    found, placement = moving()
    plan = make_plan(found, POLICY, placement, style)
    steps, scripts = export(plan, "kubectl").steps, watched(plan)
    objects = settled(found, placement, style) if undo else objects_of(found)
    seen = set()
    for change in (
        each for step in (reversed(steps) if undo else steps) for each in (step.undo if undo else step.changes)
    ):
        changed = apply_changes(objects, [change])
        if isinstance(change, Patch):
            key = (change.kind, change.namespace, change.name)
            (tmp_path / "object.json").write_text(json.dumps(objects[key]))
            (tmp_path / "patch.yaml").write_text("# a comment\n" + json.dumps(change.body))
            command = [
                "kubectl",
                "patch",
                "--local",
                "-f",
                "object.json",
                f"--type={change.type}",
                "--patch-file",
                "patch.yaml",
            ]
            assert json.loads(local(tmp_path, *command, "-o", "json")) == changed[key]
            # What the scripts compare to see whether a patch has been made.
            fields = scripts.fields(change.kind)
            assert local(tmp_path, *command, "-o", f"jsonpath={fields}") == scripts.state(changed[key])
            seen.add(change.kind)
        objects = changed
    assert seen == {"DaemonSet", "BgpPeer"}


@needs_kubectl
def test_kubectl_label_agrees_with_the_application_in_memory(tmp_path: Path) -> None:
    objects = objects_of(two_racks())
    for label, change in ((f"{KEY}={VALUE}", Label(KEY, VALUE, ("a1",))), (f"{KEY}-", Label(KEY, None, ("a1",)))):
        (tmp_path / "node.json").write_text(json.dumps(objects["Node", "", "a1"]))
        objects = apply_changes(objects, [change])
        done = json.loads(
            local(tmp_path, "kubectl", "label", "--local", "-f", "node.json", label, "--overwrite", "-o", "json")
        )
        assert done["metadata"]["labels"] == objects["Node", "", "a1"]["metadata"]["labels"]


@needs_kubectl
@pytest.mark.parametrize("style", STYLES)
def test_kustomize_renders_the_wished_daemonset_and_bgppeers(style: Style, tmp_path: Path) -> None:
    found, placement = moving()
    out = written(tmp_path, export(make_plan(found, POLICY, placement, style), "kustomize"))
    base = without_nodes(objects_of(found))
    wished = without_nodes(settled(found, placement, style))
    assert plain(rendered(tmp_path, base, out, "component")) == plain(wished)
    between = rendered(tmp_path, base, out, "component-transition")
    assert between["BgpPeer", "", "leaf-1"]["spec"]["nodeSelector"] == hostnames("a1", "a2", "a3")


@needs_kubectl
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("earlier", STYLES)
def test_a_component_says_all_that_is_wished_to_the_base_of_the_first_day(
    style: Style, earlier: Style, tmp_path: Path
) -> None:
    found, placement = moving()
    objects = settled(found, placement, earlier)
    peers = [
        peer(
            name,
            each["spec"]["conf"]["neighborAddress"],
            each["spec"].get("nodeSelector"),
            labels=each["metadata"].get("labels"),
        )
        for (kind, _, name), each in objects.items()
        if kind == "BgpPeer"
    ]
    nodes = [replace(each, labels=objects["Node", "", each.name]["metadata"]["labels"]) for each in found.nodes]
    second = cluster(
        nodes,
        [replace(each, peer=each.name) for each in found.routers],
        peers,
        objects[DAEMONSET]["spec"]["template"]["spec"],
        running=placement.speakers,
    )
    moved = placed(("a1", "leaf-1"), ("a2", "leaf-1"), ("b1", "leaf-2"), ("b2", "leaf-2"))
    out = written(tmp_path, export(make_plan(second, POLICY, moved, style), "kustomize"))
    base = without_nodes(objects_of(replace(found, peers=found.peers[:1])))
    assert plain(rendered(tmp_path, base, out, "component")) == plain(without_nodes(settled(second, moved, style)))
