"""The official client agrees: it reads what our patches leave behind, and it reads quantities as we do."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.inputs.cluster import read_cluster
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import Topology
from optimizer.kube.quantities import parse_quantity
from optimizer.model import Policy
from optimizer.placements.optimize import optimize
from optimizer.plan.plan import make_plan
from optimizer.plan.template import STYLES, Style

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from kubernetes import client
    from kubernetes.utils import parse_quantity as client_quantity

STORIES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("story", ["5-node-affinity", "6-taints"])
def test_the_patched_objects_are_of_the_types_that_the_api_has(style: Style, story: str) -> None:
    cluster = with_topology(read_cluster([str(STORIES / story / "cluster.yaml")]), Topology())
    after = make_plan(cluster, Policy(), optimize(cluster, Policy()), style).after
    models: dict[str, Any] = {"DaemonSet": client.V1DaemonSet, "Node": client.V1Node}
    read = {key: models[key[0]].from_dict(found) for key, found in after.items() if key[0] in models}
    (daemonset,) = (found for key, found in read.items() if key[0] == "DaemonSet" and key[2] == "openelb-speaker")
    spec = daemonset.spec.template.spec
    selector = {"kubernetes.io/os": "linux"} | ({} if style == "affinity" else {"bgp-speakers/speaker": "true"})
    assert spec.node_selector == selector
    tolerated = [each.key for each in spec.tolerations or ()]
    assert ("bgp-speakers/speaker" in tolerated) == (style == "taints")
    labelled = [
        name
        for (kind, _, name), node in read.items()
        if kind == "Node" and "bgp-speakers/speaker" in node.metadata.labels
    ]
    assert sorted(labelled) == ["r1-n1", "r1-n2", "r2-n1", "r2-n2"]


@given(
    st.decimals(min_value=0, max_value=10**6, places=3, allow_nan=False),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"]),
)
def test_quantities_are_read_as_the_client_reads_them(number: object, suffix: str) -> None:
    text = f"{number}{suffix}"
    read = client_quantity(text)  # type: ignore[no-untyped-call]
    assert parse_quantity(text, 1000) == min(math.ceil(read * 1000), 2**63 - 1)
