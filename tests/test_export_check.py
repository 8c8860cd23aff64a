"""The check of an export finds what is wrong in any of its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.errors import InternalError
from optimizer.export import export, prepare
from optimizer.export_check import check_export
from optimizer.model import Policy
from optimizer.optimize import optimize
from optimizer.read_cluster import read_cluster
from optimizer.read_topology import read_topology, with_topology

STORY = Path(__file__).parent.parent / "examples" / "3-multi-router"
CLUSTER = with_topology(read_cluster([str(STORY / "cluster.yaml")]), read_topology(STORY / "topology.yaml"))
PLACEMENT = optimize(CLUSTER, Policy())

SLIPS = {
    "a label is not set": ("kubectl", "20-label-nodes.txt", "r1-n2\n", ""),
    "a label is not removed": ("kubectl", "40-unlabel-nodes.txt", "r2-n4\n", ""),
    "a selector gives another rack": ("kubectl", "50-1-patch-bgppeer-leaf-1.yaml", '"r1"', '"r2"'),
    "a command is missing": ("kubectl", "apply.sh", "unlabel 40-unlabel-nodes.txt bgp-speakers/speaker\n", ""),
    "a new BgpPeer has another address": ("kubectl", "10-1-create-bgppeer-leaf-2.yaml", "10.0.2.1", "10.0.2.2"),
    "the DaemonSet asks for another value": (
        "kubectl",
        "30-patch-daemonset-openelb-speaker.yaml",
        '"true"',
        '"yes"',
    ),
    "the values ask for another value": ("helm", "values.yaml", '"true"', '"yes"'),
    "a label is not set before helm": ("helm", "before/20-label-nodes.txt", "r1-n2\n", ""),
    "the component asks for another value": ("kustomize", "component/daemonset.yaml", '"true"', '"yes"'),
    "the component selects another rack": ("kustomize", "component/bgppeer-leaf-1.yaml", '"r1"', '"r2"'),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_a_file_is_found(slip: str) -> None:
    format_, file, old, new = SLIPS[slip]
    case = prepare(CLUSTER, Policy(), PLACEMENT, "node-selector")
    files = dict(export(CLUSTER, Policy(), PLACEMENT, "node-selector", format_).files)  # type: ignore[arg-type]
    check_export(case, files)
    assert old in files[file]
    files[file] = files[file].replace(old, new)
    with pytest.raises(InternalError, match=r"the export fails its own check|does not fit"):
        check_export(case, files)
