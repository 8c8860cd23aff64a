"""What the tests of exports share: a case with every kind of change, and ways to run kubectl and the scripts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from optimizer.exports.export import Export, export
from optimizer.kube.changes import Key, Objects, apply_changes
from optimizer.model import Cluster, Placement, Policy
from optimizer.plan.objects import objects_of
from optimizer.plan.plan import make_plan
from optimizer.plan.template import Style
from tests.exports.export_inputs import POLICY, cluster, hostnames, node, peer, placed, rack, router


def needs_kubectl(test: Callable[..., None]) -> Callable[..., None]:
    missing = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on this machine")
    return pytest.mark.kubectl(missing(test))  # type: ignore[no-any-return]


AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
            ]
        }
    }
}
POD = {
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "affinity": AFFINITY,
    "tolerations": [{"key": "x", "operator": "Exists"}],
}


def moving() -> tuple[Cluster, Placement]:
    """A case with every kind of change: a BgpPeer to create, one to widen and narrow, a second one of an address."""
    nodes = [node("a1"), node("a2"), node("a3"), node("b1", "r2"), node("b2", "r2")]
    peers = [peer("leaf-1", "10.0.0.1", hostnames("a1", "a2")), peer("old-1", "10.0.0.1", rack("r1"))]
    routers = [router(1, "leaf-1"), router(2)]
    found = cluster(nodes, routers, peers, POD, running=["a1", "a2"])
    return found, placed(("a1", "leaf-1"), ("a3", "leaf-1"), ("b1", "leaf-2"), ("b2", "leaf-2"))


def settled(found: Cluster, placement: Placement, style: Style) -> Objects:
    steps = export(make_plan(found, POLICY, placement, style), "kubectl").steps
    return apply_changes(objects_of(found), (change for step in steps for change in step.changes))


def plain(objects: Objects) -> dict[Key, Any]:
    """What an API server does not tell apart: absent and empty, and the order of taints."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(part) for name, part in value.items() if bare(part) not in (None, {}, [])}
        return value

    return {
        key: {name: bare(part) for name, part in each.items()}
        if key[0] != "Node"
        else (each["metadata"]["labels"], sorted(each["spec"].get("taints") or (), key=str))
        for key, each in objects.items()
    }


class Shell:
    """Runs the scripts of an export against a world."""

    def __init__(self, folder: Path, kubectl: str, **settings: str) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "KUBECTL": kubectl,
            "STATUS_PERIOD": "0",
            "TIMEOUT": "20",
            "INTERVAL": "0",
            "SETTLE": "0",
            **settings,
        }

    def run(self, name: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(self.folder / name)],
            env={**self.env, **settings},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ok(self, name: str, **settings: str) -> str:
        done = self.run(name, **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def real_kubectl(url: str, tmp_path: Path) -> str:
    return f"kubectl --server={url} --cache-dir={tmp_path / 'cache'}"


def written(tmp_path: Path, result: Export) -> Path:
    result.write(tmp_path / "out")
    return tmp_path / "out"


def moving_with(style: Style) -> tuple[Cluster, Policy, Placement, Style]:
    found, placement = moving()
    return found, POLICY, placement, style


def local(folder: Path, *command: str) -> str:
    settings = {**os.environ, "KUBECONFIG": str(folder / "none")}
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=True).stdout


def rendered(tmp_path: Path, base: Objects, out: Path, name: str) -> Objects:
    """What `kubectl kustomize` makes of the base and a component of the export."""
    folder = tmp_path / "over"
    folder.mkdir(exist_ok=True)
    for index, each in enumerate(base.values()):
        (folder / f"{index}.json").write_text(json.dumps(each))
    files = [f"{index}.json" for index in range(len(base))]
    component = os.path.relpath(out / name, folder)
    (folder / "kustomization.yaml").write_text(json.dumps({"resources": files, "components": [component]}))
    documents = yaml.safe_load_all(local(tmp_path, "kubectl", "kustomize", str(folder)))
    return {(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each for each in documents}


def without_nodes(objects: Objects) -> Objects:
    return {key: each for key, each in objects.items() if key[0] != "Node"}
