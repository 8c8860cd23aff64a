"""The kubelets of the nodes, for speakers alone: each pod of the DaemonSet is a process in its node's namespace.

A pod is Ready as OpenELB's manifest has it: when `gobgp -p 50051 global` on its node says so. A process that ends by
itself is started again; that of a pod that is to go gets SIGTERM, and then the pod goes.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import urllib3

from tests.lab.client import ApiError, Client
from tests.lab.objects import PODS, now
from tests.lab.processes import Processes
from tests.lab.seen import Pod
from tests.lab.watch import Watch

PROBE = ("gobgp", "-p", "50051", "global")
PAUSE = 0.05
WORKERS, FEW, MANY = 4, 4, 1000


class Speaker:
    """A pod on a node, and what has become of its process."""

    def __init__(self, pod: Pod) -> None:
        self.name, self.uid, self.node = pod.metadata.name, pod.metadata.uid, pod.spec.node_name
        self.born, self.started = now(), ""
        self.restarts = 0
        self.ready = False
        self.leaving = False

    @property
    def process(self) -> str:
        """The name of its process, and of its log."""
        return f"{self.node}-{self.uid[:8]}"


class Kubelets:
    """Runs the command `speaker --node NODE` for each pod, behind what `inside` gives for its node."""

    def __init__(
        self,
        client: Client,
        processes: Processes,
        inside: Callable[[str], Sequence[str]],
        speaker: Sequence[str | Path],
    ) -> None:
        self._client, self._processes, self._inside, self._speaker = client, processes, inside, list(speaker)
        # How many speakers may be starting at the same time: all of them write the BgpConf when they start, and whoever
        # meets a conflict begins anew, ever later.
        self.at_once = FEW
        self._pods: dict[str, Speaker] = {}
        self._dead: set[str] = set()
        self._seen: queue.Queue[tuple[str, list[Pod]]] = queue.Queue()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(WORKERS, "kubelet")
        self._watch = Watch(client, PODS, Pod, lambda event, pods: self._seen.put((event, pods)))
        self._thread = threading.Thread(target=self._run, name="kubelets", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._watch.start()

    def stop(self) -> None:
        """End; the speakers end with the processes."""
        self._stopped.set()
        self._watch.stop()
        self._thread.join()
        self._pool.shutdown()

    def running(self) -> frozenset[str]:
        """The nodes whose speaker is ready."""
        return frozenset(each.node for each in list(self._pods.values()) if each.ready and not each.leaving)

    def kill(self, node: str) -> None:
        """Kill the speaker of a node; it is started again."""
        for each in list(self._pods.values()):
            if each.node == node and each.started:
                os.kill(self._processes.pid(each.process), signal.SIGKILL)

    def power_off(self, node: str) -> None:
        """No kubelet and no speaker on this node any more; nobody tells the API server."""
        self._dead.add(node)
        for each in list(self._pods.values()):
            if each.node == node:
                each.ready = False
                self._processes.kill(each.process)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Empty):
                self._take(*self._seen.get(timeout=PAUSE))
                while True:
                    self._take(*self._seen.get_nowait())
            waiting = [each for each in self._pods.values() if not each.started]
            starting = [each for each in self._pods.values() if each.started and not each.ready and not each.leaving]
            for each in waiting[: max(0, self.at_once - len(starting))]:
                self._launch(each)
            for _ in self._pool.map(self._attend, [each for each in self._pods.values() if each.started]):
                pass

    def _take(self, event: str, pods: Sequence[Pod]) -> None:
        there = {each.metadata.uid for each in pods}
        gone = [uid for uid in self._pods if event == "LIST" and uid not in there]
        gone += [each.metadata.uid for each in pods if event == "DELETED" and each.metadata.uid in self._pods]
        for uid in gone:
            self._processes.stop(self._pods.pop(uid).process)
        for each in pods:
            uid = each.metadata.uid
            if event == "DELETED" or not each.spec.node_name or each.spec.node_name in self._dead:
                continue
            if uid not in self._pods:
                self._pods[uid] = Speaker(each)
            if each.metadata.deletion_timestamp:
                self._pods[uid].leaving = True

    def _launch(self, speaker: Speaker) -> None:
        command = [*self._inside(speaker.node), *self._speaker, "--node", speaker.node]
        speaker.started = now()
        self._processes.start(speaker.process, command)

    def _attend(self, speaker: Speaker) -> None:
        if speaker.node in self._dead or self._stopped.is_set():
            return
        with suppress(ApiError, urllib3.exceptions.HTTPError):
            if speaker.leaving:
                speaker.ready = False
                self._processes.stop(speaker.process)
                self._client.delete(f"{PODS}/{speaker.name}", gracePeriodSeconds=0, preconditions={"uid": speaker.uid})
            elif self._processes.ended(speaker.process):
                speaker.restarts += 1
                speaker.ready = False
                self._launch(speaker)
                self._tell(speaker)
            elif not speaker.ready and self._probe(speaker.node) and speaker.node not in self._dead:
                self._tell(speaker, ready=True)
                speaker.ready = speaker.node not in self._dead

    def _probe(self, node: str) -> bool:
        result = subprocess.run([*self._inside(node), *PROBE], capture_output=True, check=False)
        return result.returncode == 0

    def _tell(self, speaker: Speaker, ready: bool = False) -> None:
        self._client.patch(f"{PODS}/{speaker.name}/status", {"status": status(speaker, ready)})


def status(speaker: Speaker, ready: bool) -> Mapping[str, Any]:
    """What a kubelet says of a pod that runs."""
    said = "True" if ready else "False"
    conditions = [
        {"type": kind, "status": value, "lastTransitionTime": now()}
        for kind, value in (("Initialized", "True"), ("Ready", said), ("ContainersReady", said))
    ]
    container = {
        "name": "openelb-speaker",
        "image": "openelb-speaker",
        "imageID": "",
        "ready": ready,
        "started": True,
        "restartCount": speaker.restarts,
        "state": {"running": {"startedAt": speaker.started}},
    }
    return {
        "phase": "Running",
        "startTime": speaker.born,
        "conditions": conditions,
        "containerStatuses": [container],
    }
