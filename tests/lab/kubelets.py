"""How KWOK plays the kubelets: what nodes and pods become, and when."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

Stage = dict[str, Any]
HEARTBEAT = 300_000
READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'
NOW = "{{ $now := Now | Quote }}"
NODE_READY = f"""{NOW}
conditions:
- type: Ready
  status: "True"
  reason: KubeletReady
  lastHeartbeatTime: {{{{ $now }}}}
  lastTransitionTime: {{{{ $now }}}}
phase: Running
{{{{ if not .status.allocatable }}}}
allocatable: {{cpu: "4", memory: 8Gi, pods: "110"}}
capacity: {{cpu: "4", memory: 8Gi, pods: "110"}}
{{{{ end }}}}
"""
NODE_ALIVE = f"""{NOW}
conditions:
- {{type: Ready, status: "True", reason: KubeletReady, lastHeartbeatTime: {{{{ $now }}}}}}
"""
# %s: whether it is Ready. Under load KWOK may play a stage twice; a pod has started once all the same.
POD_RUNS = f"""{NOW}
{{{{ $start := $now }}}}
{{{{ with .status.startTime }}}}{{{{ $start = . | Quote }}}}{{{{ end }}}}
phase: Running
startTime: {{{{ $start }}}}
conditions:
- {{type: Initialized, status: "True", lastTransitionTime: {{{{ $now }}}}}}
- {{type: Ready, status: "%s", lastTransitionTime: {{{{ $now }}}}}}
- {{type: ContainersReady, status: "%s", lastTransitionTime: {{{{ $now }}}}}}
containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}
  ready: %s
  started: true
  restartCount: 0
  state: {{running: {{startedAt: {{{{ $start }}}}}}}}
{{{{ end }}}}
{{{{ with NodeIPsWith .spec.nodeName }}}}
hostIP: {{{{ index . 0 | Quote }}}}
podIP: {{{{ index . 0 | Quote }}}}
{{{{ end }}}}
"""


def stage(name: str, kind: str, when: Iterable[tuple[str, str, Iterable[str]]], delay: Stage, **then: Any) -> Stage:
    """What happens to nodes or pods for which every one of the (jq, operator, values) holds."""
    expressions = [
        {"key": key, "operator": operator} | ({"values": sorted(values)} if values else {})
        for key, operator, values in when
    ]
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": expressions},
            "delay": delay,
            "next": then,
        },
    }


def stages(never_ready: Iterable[str], ready_after: float, speakers: bool) -> list[Stage]:
    """Nodes without a condition become Ready; pods run at once, and become Ready where and when they may.

    Without `speakers` nothing becomes of pods that have their host's network.
    """
    stuck = frozenset(never_ready)
    own = [] if speakers else [(".spec.hostNetwork", "DoesNotExist", ())]
    alive = (".metadata.deletionTimestamp", "DoesNotExist", ())
    pending = (".status.phase", "In", ("Pending",))
    unready = (READY, "NotIn", ("True",))
    open_ended = (".status.phase", "NotIn", ("Succeeded", "Failed"))
    elsewhere = [(".spec.nodeName", "NotIn", stuck)] if stuck else []
    later = {"durationMilliseconds": round(ready_after * 1000)}
    heartbeat = {"durationMilliseconds": HEARTBEAT, "jitterDurationMilliseconds": HEARTBEAT * 11 // 10}
    made = [
        stage("node-ready", "Node", [(READY, "NotIn", ("True", "False", "Unknown"))], {}, statusTemplate=NODE_READY),
        stage("node-alive", "Node", [(READY, "In", ("True",))], heartbeat, statusTemplate=NODE_ALIVE),
        stage("pod-ready", "Pod", [*own, alive, open_ended, unready, *elsewhere], later, statusTemplate=runs("True")),
        stage("pod-gone", "Pod", [*own, (".metadata.deletionTimestamp", "Exists", ())], {}, delete=True),
    ]
    if stuck:
        here = (".spec.nodeName", "In", stuck)
        made.append(stage("pod-runs", "Pod", [*own, alive, pending, here], {}, statusTemplate=runs("False")))
    return made


def runs(ready: str) -> str:
    return POD_RUNS % (ready, ready, ready.lower())


def write(path: Path, never_ready: Iterable[str] = (), ready_after: float = 0.0, speakers: bool = True) -> Path:
    """KWOK's configuration."""
    options = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "manageAllNodes": True,
            # The defaults of 4 would be what everything waits for where there are thousands of nodes.
            "podPlayStageParallelism": 16,
            "nodePlayStageParallelism": 16,
            "podsOnNodeSyncParallelism": 16,
            # Leases would be thousands of writes in every few seconds; the status says that a node is alive.
            "nodeLeaseDurationSeconds": 0,
        },
    }
    documents = [options, *stages(never_ready, ready_after, speakers)]
    path.write_text("\n---\n".join(msgspec.json.encode(each).decode() for each in documents))
    return path
