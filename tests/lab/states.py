"""Cases for the commands in the laboratory, and what the cluster is by then, to be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from optimizer.cli.main import main
from optimizer.speakers.openelb import OpenELB
from tests.lab.client import Object
from tests.lab.cluster import Lab
from tests.lab.crds import PEERS
from tests.lab.objects import NODES, PODS, RACK, SYSTEM

DAEMONSETS = f"/apis/apps/v1/namespaces/{SYSTEM}/daemonsets"
# What the server counts and notes, and what only says that something was written.
VOLATILE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
GENERATION = "deprecated.daemonset.template.generation"
# The seconds from status to status.
TOLD = 0.2
ONE, TWO, THREE = (f"192.168.{number}.1" for number in (1, 2, 3))


def state(lab: Lab) -> dict[str, Object]:
    """Nodes, DaemonSets and BgpPeers field by field, without what the server counts."""
    return {
        f"{path.rpartition('/')[2]} {each['metadata']['name']}": bare(each)
        for path in (NODES, DAEMONSETS, PEERS)
        for each in lab.client.items(path)
    }


def bare(obj: Object) -> Object:
    """An object without what the server counts; no annotations is the same as none left."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in VOLATILE}
    metadata["annotations"] = {k: v for k, v in metadata.get("annotations", {}).items() if k != GENERATION}
    return {**{name: value for name, value in obj.items() if name != "status"}, "metadata": metadata}


def identities(lab: Lab) -> set[tuple[str, str, int]]:
    """What tells whether anything has been created, changed or deleted: name, uid, and the number of the spec."""
    return {
        (each["metadata"]["name"], each["metadata"]["uid"], each["metadata"].get("generation", 0))
        for path in (NODES, DAEMONSETS, PEERS, PODS)
        for each in lab.client.items(path)
    }


def speaking(lab: Lab) -> set[str]:
    """The nodes that have a speaker's pod, be it only in the making or still ending."""
    return {each["spec"].get("nodeName", "") for each in lab.client.items(PODS)}


def topology_of_rack(folder: Path, rack: str, address: str, asn: int = 65003) -> Path:
    """A topology file with the router of a rack that has no BgpPeer."""
    selector = {"selector": {"matchLabels": {RACK: rack}}}
    router = {"name": f"leaf-{rack}", "address": address, "asn": asn, "nodes": selector}
    path = folder / "topology.json"
    path.write_text(json.dumps({"routers": [router]}))
    return path


def run(*arguments: str | Path) -> Result:
    """Run bgp-speakers, for speakers that tell of their sessions as often as these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenELB, "report_period", 4 * TOLD)
        return CliRunner().invoke(main, [str(each) for each in arguments])


def ok(*arguments: str | Path) -> Result:
    """Run bgp-speakers, which is to do it."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def placement_in(file: Path) -> Any:
    """The placement in a file."""
    return json.loads(file.read_text())
