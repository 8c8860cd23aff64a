"""Whatever is changed in good input, it is read or refused with one sentence: nothing else ever comes out."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from optimizer.errors import InputError
from optimizer.inputs.cluster import read_cluster
from optimizer.inputs.placement import placement_to_json, read_placement
from optimizer.inputs.policy import parse_policy, policy_to_data, read_policy
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import parse_topology, read_topology
from optimizer.model import Placement, Policy, Survive
from tests.objects import conf, daemonset, list_of, node, peer, pod, speaker_pod, write

EXPRESSION = {"key": "rack", "operator": "In", "values": ["r1"]}
SELECTOR = {"matchLabels": {"rack": "r1"}, "matchExpressions": [EXPRESSION]}
TERM = {"matchExpressions": [EXPRESSION], "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}}
TOPOLOGY = {
    "routers": [
        {"name": "leaf-1", "address": "10.1.0.1", "asn": 65001, "maxSessions": 8, "minSpeakers": 2}
        | {"domains": {"rack": "r1"}, "nodes": {"selector": SELECTOR, "names": ["n1"], "cidrs": ["10.0.0.0/8"]}}
    ],
    "routersFromLabel": "rack",
    "attachments": [["n2", "leaf-2"]],
    "failureDomains": [{"kind": "rack", "nodeLabel": "rack"}],
}
POLICY = {
    "speakersPerRouter": 2,
    "peering": "selected",
    "survive": [{"kind": "rack", "survivors": 1}],
    "speaker": {"requests": {"cpu": "100m"}, "perSession": {"memory": 1e6}, "maxSessions": 4, "label": "a/b=c"},
    "nodes": {"exclude": [SELECTOR], "pin": ["n1"], "ban": ["n2"], "cost": [{"selector": {}, "cost": 3}]},
    "maxMoves": 3,
    "goals": ["speakers", "cost"],
    "timeLimit": 5.0,
}
CLUSTER = list_of(
    node("n1", {"rack": "r1"}, addresses=["10.0.0.1"], allocatable={"cpu": "4", "memory": "8Gi", "pods": 110}),
    node("n2", {"rack": "r2"}, taints=[{"key": "gpu", "effect": "NoSchedule"}], unschedulable=True),
    pod("web", "n1", requests={"cpu": "250m"}, overhead={"cpu": "1m"}, initContainers=[{"restartPolicy": "Always"}]),
    speaker_pod("n1"),
    daemonset(scheduled=1, nodeSelector={"a": "b"}, affinity=AFFINITY, tolerations=[{"operator": "Exists"}]),
    peer("leaf-1", "10.1.0.1", SELECTOR),
    conf(asPerRack={"r1": 65001}),
)
PLACEMENT: dict[str, Any] = json.loads(
    placement_to_json(Placement("optimal", speakers=("n1",)), parse_policy(POLICY, "p"), parse_topology(TOPOLOGY, "t"))
)
KINDS = {"cluster": CLUSTER, "topology": TOPOLOGY, "policy": POLICY, "placement": PLACEMENT}

LEAVES: list[Any] = [
    *[None, True, 0, -1, 2**31, 2**64, 10**30, 0.5, 1e300, float("nan"), float("inf")],
    *["", " ", "n1", "Node", "PodList", "apps/v1", "a/b", "a=b", "100m", "1e999999999", "10.0.0.1", "::/0", "12:30"],
    *["\ud800", "\x00", "\n", "\x1b[31m", "é", "x" * 300, "Exists", "Gt", "selected", "layer2", "missing.csv", "."],
]
values = st.recursive(
    st.sampled_from(LEAVES) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every (mapping or list, key or index) in a document."""
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else []
    return [(document, key) for key in keys] + [place for key in keys for place in places(document[key])]


@st.composite
def broken(draw: st.DrawFn, document: Any) -> Any:
    """The document with one to three values replaced, dropped, moved elsewhere, or given under another key."""
    root = [deepcopy(document)]
    for _ in range(draw(st.integers(1, 3))):
        known = places(root)
        if not known:
            break
        holder, key = draw(st.sampled_from(known))
        action = draw(st.sampled_from(["replace", "replace", "drop", "move", "rename"]))
        if action == "replace":
            holder[key] = draw(values)
        elif action == "move":
            other, where = draw(st.sampled_from(known))
            holder[key] = deepcopy(other[where])
        else:
            moved = holder.pop(key)
            if action == "rename" and isinstance(holder, dict):
                holder[draw(st.text(max_size=5))] = moved
    return root[0] if root else None


@st.composite
def texts(draw: st.DrawFn, document: Any) -> bytes:
    """A broken document as JSON or YAML, some with a line twice, a piece cut out, or bytes put in."""
    changed = draw(broken(document))
    text = json.dumps(changed) if draw(st.booleans()) else yaml.safe_dump(changed)
    data = text.encode("utf-8", "surrogatepass")
    damage = draw(st.sampled_from([None, None, None, "twice", "cut", "bytes"]))
    start = draw(st.integers(0, len(data)))
    if damage == "twice":
        lines = data.splitlines(keepends=True)
        data = b"".join(lines[: start % len(lines) + 1] + lines[start % len(lines) :])
    elif damage == "cut":
        data = data[:start] + data[start + draw(st.integers(1, 40)) :]
    elif damage == "bytes":
        piece = draw(
            st.sampled_from([b"&a ", b"*a ", b"!!int ", b"<<: ", b"---\n", b"\x00", b'"', b"{", b"\t", b"\xff"])
        )
        data = data[:start] + piece + data[start:]
    return data


def read(kind: str, folder: Path, data: bytes) -> None:
    """Read a file of the kind, and take what comes out as far as it goes before anything is solved."""
    file = write(folder / "in.yaml", data)
    if kind == "placement":
        placement_to_json(*read_placement(file))
        return
    if kind == "policy":
        policy = read_policy(file, {})
        assert parse_policy(policy_to_data(policy), "again") == policy
        return
    topology = read_topology(file) if kind == "topology" else parse_topology(TOPOLOGY, "t")
    cluster = read_cluster([str(write(folder / "good.json", CLUSTER) if kind == "topology" else file)])
    for warning in with_topology(cluster, topology, Policy(survive=(Survive("rack"),))).warnings:
        assert warning.sentence.isprintable()
    placement_to_json(Placement("optimal"), Policy(), topology)


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_as_it_stands_is_good(kind: str, tmp_path: Path) -> None:
    read(kind, tmp_path, json.dumps(KINDS[kind]).encode())
    read(
        kind, tmp_path, yaml.safe_dump(KINDS[kind]).encode() if kind != "placement" else json.dumps(PLACEMENT).encode()
    )


@pytest.mark.parametrize("kind", KINDS)
@seed(1)
@settings(max_examples=150, deadline=None, database=None)
@given(data=st.data())
def test_any_change_is_read_or_refused_with_one_sentence(kind: str, data: st.DataObject) -> None:
    text = data.draw(texts(KINDS[kind]))
    with TemporaryDirectory() as folder:
        try:
            read(kind, Path(folder), text)
        except InputError as error:
            assert str(error).isprintable()  # noqa: PT017 -- both outcomes are right
