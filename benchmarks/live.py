"""`python -m benchmarks.live`: a whole move of a real control plane, from reading it to the way back.

The laboratory of the tests (etcd, kube-apiserver, controller manager, scheduler, KWOK) on this machine, with racks of
40 nodes under a leaf router each, a speaker on every node and other pods beside it. `kubectl get nodes -o json` is
measured in the same run.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from benchmarks.end_to_end import measure
from tests.lab.cluster import Lab, cluster
from tests.lab.objects import daemonset, nodes, rack_peer
from tests.lab.speakers import speakers

RACK = 40
STATUS_PERIOD = 5.0
"""Seconds from status to status of the stand-in for OpenELB's speakers; the real ones take 30."""


@click.command()
@click.option("--nodes", "number", type=click.IntRange(RACK), default=5_000, show_default=True)
@click.option("--pods", type=click.IntRange(0), default=2, show_default=True, help="Other pods on each node.")
@click.option("--max-parallel", type=click.IntRange(1), default=100, show_default=True)
@click.option("--rollback", "back", is_flag=True, help="Measure the way back too.")
@click.option("--json", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures here.")
def main(number: int, pods: int, max_parallel: int, back: bool, output: Path | None) -> None:
    """Measure optimize --live, plan, apply and kubectl get nodes."""
    racks = number // RACK
    with tempfile.TemporaryDirectory() as folder, cluster() as lab, speakers(lab, period=STATUS_PERIOD) as works:
        began = time.monotonic()
        load(lab, racks, pods)
        click.echo(
            f"loading {racks * RACK} nodes, {racks * RACK * pods} pods: {time.monotonic() - began:.0f} s", err=True
        )
        lab.eventually("every speaker runs", lambda: len(works.running()) == racks * RACK, 900)
        lab.eventually("its session is up", lambda: sum(map(len, works.sessions().values())) == racks * RACK, 300)
        time.sleep(2 * STATUS_PERIOD)
        click.echo(f"every speaker established: {time.monotonic() - began:.0f} s", err=True)
        placement, config = Path(folder, "placement.json"), ["--kubeconfig", str(lab.kubeconfig)]
        ours = [sys.executable, "-m", "optimizer"]
        moving = ["--yes", "--timeout", "600"]
        commands: list[tuple[str, list[str]]] = [
            ("kubectl get nodes", [str(lab.kubectl), *config, "get", "nodes", "-o", "json"]),
            ("optimize --live", [*ours, "optimize", "--live", *config, "-o", str(placement)]),
            ("plan", [*ours, "plan", str(placement), *config]),
            ("apply", [*ours, "apply", str(placement), *config, *moving, "--max-parallel", str(max_parallel)]),
        ]
        if back:
            commands.append(
                ("rollback", [*ours, "rollback", str(placement.with_suffix(".rollback.json")), *config, *moving])
            )
        before = time.monotonic()
        costs = [measure(what, command) for what, command in commands]
        lowest = min(works.history.lowest(address, before) for address in addresses(racks))
    click.echo(f"{'':<20}{'wall s':>9}{'CPU s':>9}{'anonymous MiB':>15}")
    for cost in costs:
        click.echo(f"{cost.what:<20}{cost.wall:>9.2f}{cost.cpu:>9.2f}{cost.anonymous:>15.0f}")
    click.echo(f"fewest sessions of any router at any moment: {lowest}")
    if output:
        figures: dict[str, Any] = {"nodes": racks * RACK, "pods": pods, "lowest": lowest, "costs": costs}
        output.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


def addresses(racks: int) -> list[str]:
    """The leaf routers' addresses."""
    return [f"192.168.{rack // 250}.{rack % 250 + 1}" for rack in range(1, racks + 1)]


def load(lab: Lab, racks: int, pods: int) -> None:
    """Make the nodes, their pods, the BgpPeers and the DaemonSet."""
    made = nodes(racks, RACK)
    lab.client.create_all(made)
    lab.client.create_all(rack_peer(f"r{rack}", address) for rack, address in enumerate(addresses(racks), 1))
    lab.client.create_all(
        pod(f"{each['metadata']['name']}-{index}", each["metadata"]["name"]) for each in made for index in range(pods)
    )
    lab.client.create(daemonset())


def pod(name: str, node: str) -> dict[str, Any]:
    """A pod that takes a part of its node."""
    container = {"name": "work", "image": "work", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node, "containers": [container]},
    }


if __name__ == "__main__":
    main()
