"""The check of an export finds what is wrong in any of its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from optimizer.errors import InternalError
from optimizer.exports.check import check_export
from optimizer.exports.export import export
from optimizer.inputs.cluster import read_cluster
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import read_topology
from optimizer.kube.changes import Patch
from optimizer.kube.patches import set_field
from optimizer.model import Policy
from optimizer.placements.optimize import optimize
from optimizer.plan.check import check_steps
from optimizer.plan.plan import make_plan
from optimizer.plan.steps import Step
from tests.exports.export_inputs import cluster, hostnames, node, peer, placed, router

STORY = Path(__file__).parents[2] / "examples" / "3-multi-router"
CLUSTER = with_topology(read_cluster([str(STORY / "cluster.yaml")]), read_topology(STORY / "topology.yaml"))
PLACEMENT = optimize(CLUSTER, Policy())

SLIPS = {
    "a label is not set": ("kubectl", "20-label-nodes.txt", "r1-n2\n", ""),
    "a label is not removed": ("kubectl", "60-unlabel-nodes.txt", "r2-n4\n", ""),
    "a selector gives another rack": ("kubectl", "70-1-patch-bgppeer-leaf-1.yaml", '"r1"', '"r2"'),
    "a command is missing": ("kubectl", "apply.sh", "unlabel 60-unlabel-nodes.txt bgp-speakers/speaker\n", ""),
    "a new BgpPeer has another address": ("kubectl", "10-1-create-bgppeer-leaf-2.yaml", "10.0.2.1", "10.0.2.2"),
    "the DaemonSet asks for another value": (
        "kubectl",
        "40-patch-daemonset-openelb-speaker.yaml",
        '"true"',
        '"yes"',
    ),
    "the values ask for another value": ("helm", "values.yaml", '"true"', '"yes"'),
    "a label is not set before helm": ("helm", "before/20-label-nodes.txt", "r1-n2\n", ""),
    "the component asks for another value": ("kustomize", "component/daemonset.yaml", '"true"', '"yes"'),
    "the way back leaves a label": ("kubectl", "rollback.sh", "unlabel rollback/", "# unlabel rollback/"),
    "the transition does not fit": ("kustomize", "component-transition/bgppeer-leaf-1.yaml", '"add"', '"move"'),
    "the component selects another rack": ("kustomize", "component/bgppeer-leaf-1.yaml", '"r1"', '"r2"'),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_a_file_is_found(slip: str) -> None:
    format_, file, old, new = SLIPS[slip]
    plan = make_plan(CLUSTER, Policy(), PLACEMENT, "node-selector")
    files = dict(export(make_plan(CLUSTER, Policy(), PLACEMENT, "node-selector"), format_).files)  # type: ignore[arg-type]
    check_export(plan, files)
    assert old in files[file]
    files[file] = files[file].replace(old, new)
    with pytest.raises(InternalError, match=r"(the export|the plan) fails its own check|does not fit|is not allowed"):
        check_export(plan, files)


def test_a_step_that_opens_more_than_today_and_the_placement_is_found() -> None:
    found = cluster([node("a1"), node("a2")], [router(1, "p")], [peer("p", "10.0.0.1", hostnames("a1"))])
    plan = make_plan(found, Policy(), placed(("a1", "leaf-1")), "node-selector")
    check_steps(plan)
    old, new = hostnames("a1"), hostnames("a1", "a2")
    opens = Patch("BgpPeer", "", "p", "json", set_field("/spec/nodeSelector", old, new))
    closes = Patch("BgpPeer", "", "p", "json", set_field("/spec/nodeSelector", new, old))
    steps = (Step("slip", "", ((opens,),), (closes,)), *plan.steps)
    with pytest.raises(InternalError, match=r"step slip opens a2 - leaf-1"):
        check_steps(replace(plan, steps=steps))
    # Within the router's limit it may.
    limited = replace(found, routers=(replace(found.routers[0], max_sessions=2),))
    check_steps(replace(plan, steps=steps[:1], cluster=limited))


def test_a_step_that_ends_what_is_to_stay_is_found() -> None:
    found = cluster([node("a1"), node("a2")], [router(1, "p")], [peer("p", "10.0.0.1", hostnames("a1"))])
    plan = make_plan(found, Policy(), placed(("a1", "leaf-1")), "node-selector")
    closes = Patch("BgpPeer", "", "p", "json", set_field("/spec/nodeSelector", hostnames("a1"), hostnames("a2")))
    with pytest.raises(InternalError, match=r"step slip ends a1 - leaf-1"):
        check_steps(replace(plan, steps=(Step("slip", "", ((closes,),)),)))
