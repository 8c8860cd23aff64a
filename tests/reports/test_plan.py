"""A plan for a live cluster as text and as JSON: every kind of step, lists in short and in full, lines that wrap."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.kube.patches import merge
from optimizer.model import Cluster, Placement
from optimizer.plan.plan import make_plan
from optimizer.plan.steps import Flow
from optimizer.plan.template import Style
from optimizer.reports.plan import SHOWN, flow_text, plan_json, plan_text
from optimizer.rollout.dry_run import Edit, Preview, Refusal
from optimizer.rollout.live_plan import LivePlan
from optimizer.rollout.stages import stages
from optimizer.rollout.watch import Target
from optimizer.rollout.waypoints import waypoints
from tests.exports.export_inputs import (
    KEY,
    POLICY,
    TWO_RACKS,
    VALUE,
    cluster,
    hostnames,
    node,
    peer,
    placed,
    router,
    two_racks,
)
from tests.exports.export_shell import moving
from tests.rollout.test_waypoints import with_today

NOTHING = Preview((), ())
WIDTH = 120


def live_of(found: Cluster, placement: Placement, style: Style = "node-selector", most: int = 100) -> LivePlan:
    """The plan as `plan_live` makes it, without a server."""
    plan = make_plan(found, POLICY, placement, style)
    assert plan.daemonset is not None
    return LivePlan(
        plan=plan,
        target=Target("openelb-system", "openelb-speaker", "1", "app=openelb-speaker"),
        daemonset=plan.daemonset,
        steps=stages(plan, most, True),
        waypoints=(),
        goal=frozenset(),
        today=frozenset(),
        possible=frozenset(),
        kept={},
        levels={},
    )


FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}


def managed(found: Cluster, *names: str) -> Cluster:
    """The cluster where somebody else manages the objects of these names."""

    def marked(manifest: Mapping[str, Any]) -> dict[str, Any]:
        return merge(manifest, {"metadata": FLUX}) if manifest["metadata"]["name"] in names else dict(manifest)

    assert found.speaker is not None
    own = replace(found.speaker, manifest=marked(found.speaker.manifest))
    return replace(
        found, speaker=own, peers=tuple(replace(each, manifest=marked(each.manifest)) for each in found.peers)
    )


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["openelb-speaker"], "DaemonSet openelb-speaker"),
        (["leaf-1"], "BgpPeer leaf-1"),
        (["old-1"], "BgpPeer old-1"),
        # The DaemonSet goes first.
        (["old-1", "leaf-1", "openelb-speaker"], "DaemonSet openelb-speaker"),
    ],
)
def test_somebody_who_manages_any_of_the_objects_to_be_patched_is_told(names: list[str], told: str) -> None:
    found, placement = moving()
    live = live_of(managed(found, *names), placement)
    sentence = live.managed
    assert sentence.startswith(f"{told} is managed by Flux (Kustomization) (apps), which would" if told else "")
    assert bool(sentence) == bool(told)
    # Where nothing is to change nobody needs to be asked.
    assert replace(live, steps=()).managed == ""


def test_who_manages_an_object_that_stays_as_it_is_does_not_matter() -> None:
    # Two racks keep their BgpPeers; where the label is asked for already, the DaemonSet stays as well.
    assert live_of(managed(two_racks(), "leaf-1", "leaf-2"), TWO_RACKS).managed == ""
    nodes = [node("n1", chosen=True), node("n2", chosen=True), node("n3")]
    found = cluster(nodes, pod={"nodeSelector": {KEY: VALUE}}, running=["n1", "n2"])
    live = live_of(managed(found, "openelb-speaker"), placed(speakers=["n1", "n3"]))
    assert [each.name for each in live.steps] == ["label-speakers", "unlabel-nodes"]
    assert live.managed == ""


def texts(live: LivePlan, seen: Preview = NOTHING, verbose: bool = False) -> dict[str, str]:
    """The paragraphs of the text by label, put together again; those that have one label go on one another."""
    text = plan_text(live, seen, verbose)
    assert all(len(line) <= WIDTH and line == line.rstrip() for line in text.splitlines())
    found: dict[str, str] = {}
    label = ""
    for line in text.splitlines():
        if line[:14].strip() and line[:2].strip():
            label = line[:14].strip()
        found[label] = f"{found.get(label, '')} {line if line[:2].strip() else line.strip()}".strip()
    return found


def test_every_kind_of_step_is_told() -> None:
    live = live_of(*moving(), style="taints", most=2)
    text = texts(live)
    names = [
        *("open-peers", "label-speakers", "hold-restarts", "daemonset", "restart-speakers"),
        *("unlabel-nodes", "close-peers", "taint-nodes", "resume-restarts"),
    ]
    assert text["plan"].endswith(" 9 steps, 2 sessions of 2 speakers -> 4 of 4; nothing has been written yet")
    for number, name in enumerate(names, 1):
        assert f"{name}: " in text[f"step {number}"]
    opened, labelled, hold, edited, restarted, unlabelled, closed, tainted, resumed = (
        text[f"step {number}"] for number in range(1, 10)
    )
    assert "changes     DaemonSet openelb-system/openelb-speaker: metadata.annotations, spec.updateStrategy" in hold
    assert "disturbs    nothing" in hold
    assert "changes     new BgpPeer leaf-2" in opened
    assert "changes     BgpPeer old-1: spec.conf.neighborAddress, spec.nodeSelector" in opened
    assert "every speaker re-evaluates these BgpPeers: sessions open, none closes" in opened
    assert "label bgp-speakers/speaker=true on 5 nodes in 3 batches: a1, a2, a3, b1, b2" in labelled
    assert "disturbs    3 speakers start, none stops" in labelled
    assert "sessions    2 -> 5 on 2 routers; at least 0 meanwhile (leaf-2), at most 3 (leaf-1)" in labelled
    assert "spec.template.spec.nodeSelector, spec.template.spec.tolerations" in edited.replace(
        "nodeSelector.bgp-speakers/speaker", "nodeSelector"
    )
    assert "waits for   before each round: all chosen speakers ready, their sessions ESTABLISHED" in restarted
    assert "restart of the speakers with the old template on 4 nodes in" in restarted
    assert "waits for   all chosen speakers ready and their sessions ESTABLISHED, each since its" in unlabelled
    assert "label bgp-speakers/speaker off 1 node in 1 batch: a2" in unlabelled
    assert "disturbs    1 speaker stops" in unlabelled
    assert "changes     deletion of BgpPeer old-1" in closed
    assert "taint bgp-speakers/speaker=true:NoSchedule on 4 nodes in 2 batches: a1, a3, b1, b2" in tainted
    assert "waits for   all chosen speakers ready" in resumed
    assert text["server"].endswith("would accept every change (asked with dryRun=All)")


def test_every_routers_sessions_are_told_in_full_only() -> None:
    live = live_of(*moving())
    assert "leaf-2: 0 -> 2, 0 to 2 meanwhile" not in plan_text(live, NOTHING)
    assert "leaf-2: 0 -> 2, 0 to 2 meanwhile" in plan_text(live, NOTHING, verbose=True)
    assert flow_text(Flow(3, opened=1, closed=2, reset=1, limit=8)) == "3 -> 2, 1 to 3 of 8 meanwhile"


def test_the_router_that_is_nearest_to_its_limit_is_named() -> None:
    routers = [router(1, "p1", max_sessions=9), router(2, "p2", max_sessions=3)]
    peers = [peer(f"p{number}", f"10.0.0.{number}", hostnames("n0", "n1")) for number in (1, 2)]
    found = cluster([node(f"n{number}") for number in range(3)], routers, peers)
    live = live_of(found, placed(*((name, f"leaf-{n}") for n in (1, 2) for name in ("n1", "n2"))))
    opened = next(text for text in texts(live).values() if "open-peers" in text)
    assert "4 -> 6 on 2 routers; at least 2 meanwhile (leaf-1), at most 3 of 3 (leaf-2)" in opened


def test_long_lists_are_cut_and_told_in_full_on_demand() -> None:
    names = [f"node-{number:03d}" for number in range(40)]
    found = cluster([node(name) for name in names])
    live = live_of(found, placed(speakers=names))
    short, full = plan_text(live, NOTHING), plan_text(live, NOTHING, verbose=True)
    assert f"{names[SHOWN - 1]} and {40 - SHOWN} more" in short.replace("\n              ", " ")
    assert names[SHOWN] not in short
    assert all(name in full for name in names)
    assert max(map(len, full.splitlines())) <= WIDTH


def test_what_the_server_says_is_grouped_cut_and_told() -> None:
    label = "metadata.labels.bgp-speakers/speaker"
    edits = [Edit(f"Node n{number}", label, None, "true") for number in range(9)]
    edits += [
        Edit("BgpPeer leaf", "spec.nodeSelector", {"matchLabels": {"rack": "r1"}}, None),
        Edit("BgpPeer old", "", "there", None),
        Edit("DaemonSet it", "spec.long", "x" * 500, 5),
    ]
    text = plan_text(live_of(*moving()), Preview(tuple(edits), ()))
    flat = " ".join(text.split())
    assert f"Node n5 and 3 more: {label}: (absent) -> true" in flat
    assert 'BgpPeer leaf: spec.nodeSelector: {"matchLabels":{"rack":"r1"}} -> (absent)' in flat
    assert "BgpPeer old: there -> (absent)" in flat
    assert f"{'x' * 200} ... -> 5" in flat
    many = tuple(Edit(f"Node n{number}", f"field-{number}", 1, 2) for number in range(100))
    short, full = (plan_text(live_of(*moving()), Preview(many, ()), verbose) for verbose in (False, True))
    assert f"... and {100 - 4 * SHOWN} more (all with -v)" in short
    assert (short.count("\ndiff "), full.count("\ndiff ")) == (4 * SHOWN + 1, 100)


def test_refusals_are_told_instead_of_the_good_word() -> None:
    text = texts(live_of(*moving()), Preview((), (Refusal("Node a1", "not allowed (403)"),)))
    assert text["refused"].endswith("Node a1: not allowed (403)")
    assert "server" not in text


def test_hops_are_told() -> None:
    found = with_today({"leaf-1": ["n0", "n1"]}, {"leaf-1": 2})
    placement = placed(("n2", "leaf-1"), ("n3", "leaf-1"))
    live = replace(live_of(two_racks(), TWO_RACKS), waypoints=waypoints(found, POLICY, placement))
    text = texts(live)
    told = " ".join(text["hops"].split())
    assert told.startswith(
        "hops 4, since old and new do not fit together; below are the steps of the first hop 1 closes"
    )
    assert told.endswith("hop 4 opens n3 - leaf-1")
    data = json.loads(plan_json(live, NOTHING, ""))
    assert data["hops"][:2] == [
        {"closes": [{"node": "n0", "router": "leaf-1"}], "opens": []},
        {"closes": [], "opens": [{"node": "n2", "router": "leaf-1"}]},
    ]


@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_to_change(verbose: bool) -> None:
    live = replace(live_of(*moving()), steps=())
    assert plan_text(live, NOTHING, verbose) == (
        "plan          nothing to change: the cluster is as the placement wants it\n"
    )
    assert json.loads(plan_json(live, NOTHING, ""))["steps"] == []


def test_the_json_holds_everything_and_is_the_same_each_time() -> None:
    edit, refusal = Edit("Node a1", "spec.taints", None, [1]), Refusal("Node a1", "no")
    made = [plan_json(live_of(*moving(), style="taints"), Preview((edit,), (refusal,)), "told") for _ in range(2)]
    assert made[0] == made[1]
    assert made[0].endswith(b"}\n")
    data: dict[str, Any] = json.loads(made[0])
    assert (data["apiVersion"], data["kind"], data["style"]) == ("bgp-speakers/v1", "Plan", "taints")
    assert data["edits"] == [{"object": "Node a1", "field": "spec.taints", "old": None, "new": [1]}]
    assert (data["refused"], data["managedBy"]) == ([{"object": "Node a1", "why": "no"}], "told")
    kinds = {change["change"] for step in data["steps"] for batch in step["batches"] for change in batch}
    assert kinds == {"Label", "TaintNodes", "Patch", "Create", "Delete", "Restart"}
    (opened,) = (each for each in data["steps"] if each["slug"] == "label-speakers")
    assert opened["sessions"]["leaf-2"] == {"before": 0, "least": 0, "most": 2, "after": 2, "limit": None}
    assert set(opened) == {"name", "slug", "why", "waitsFor", "disturbs", "batches", "sessions"}
