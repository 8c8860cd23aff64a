"""`python -m benchmarks.end_to_end`: from a dump on disk to a placement on disk, against only decoding the dump.

Both in processes of their own, on the same file, in the same run. Decoding maps the file and reads its nodes into
msgspec's partial structs (YAML: into plain objects with the fastest reader at hand), and does nothing with them.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from benchmarks.dump import write_dump

DECODE_JSON = """
import mmap, sys
import msgspec
from msgspec import Struct

class Meta(Struct, rename="camel"):
    name: str
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None

class Taint(Struct):
    key: str
    effect: str
    value: str | None = None

class Spec(Struct):
    taints: list[Taint] | None = None
    unschedulable: bool | None = None

class Condition(Struct):
    type: str
    status: str

class Address(Struct):
    type: str
    address: str

class Status(Struct):
    allocatable: dict[str, str] | None = None
    conditions: list[Condition] | None = None
    addresses: list[Address] | None = None

class Item(Struct):
    kind: str
    metadata: Meta
    spec: Spec | None = None
    status: Status | None = None

class Dump(Struct):
    items: list[Item]

with open(sys.argv[1], "rb") as file:
    found = msgspec.json.decode(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), type=Dump)
print(len(found.items))
"""

DECODE_YAML = """
import sys
try:
    import ryml
except ImportError:
    import yaml
    with open(sys.argv[1], "rb") as file:
        print(len(yaml.load(file, yaml.CSafeLoader)["items"]))
else:
    import msgspec
    with open(sys.argv[1], "rb") as file:
        tree = ryml.parse_in_arena(file.read())
    print(len(msgspec.json.decode(ryml.emit_json(tree))["items"]))
"""


class Cost(msgspec.Struct, frozen=True):
    """What a process took: seconds of wall clock and of CPU, and its peaks of anonymous and of file memory in MiB."""

    what: str
    wall: float
    cpu: float
    anonymous: float
    mapped: float


@click.command()
@click.option("--nodes", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--yaml", "as_yaml", is_flag=True, help="A YAML dump instead of JSON.")
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Runs, of which the fastest counts.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep the dump here [not kept].")
@click.option("--json", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures here.")
def main(nodes: int, as_yaml: bool, runs: int, folder: Path | None, output: Path | None) -> None:
    """Measure the whole job against decoding alone."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        dump = place / f"dump-{nodes}.{'yaml' if as_yaml else 'json'}"
        if not dump.exists():
            click.echo(f"writing {dump.name} ...", err=True)
            write_dump(dump, nodes)
        size = dump.stat().st_size
        click.echo(f"{nodes} nodes, {size / 2**20:.0f} MiB, {size / nodes / 1000:.1f} kB a node")
        if as_yaml:
            click.echo(f"decode only: by {'rapidyaml' if importlib.util.find_spec('ryml') else 'PyYAML, in C'}")
        decode = [sys.executable, "-c", DECODE_YAML if as_yaml else DECODE_JSON, str(dump)]
        job = [sys.executable, "-m", "optimizer", "optimize", str(dump), "-o", str(Path(temporary, "placement.json"))]
        costs = [fastest("decode only", decode, runs), fastest("optimize", job, runs)]
    click.echo(f"{'':<14}{'wall s':>9}{'CPU s':>9}{'anonymous MiB':>15}{'mapped MiB':>12}")
    for cost in costs:
        click.echo(f"{cost.what:<14}{cost.wall:>9.2f}{cost.cpu:>9.2f}{cost.anonymous:>15.0f}{cost.mapped:>12.0f}")
    alone, whole = costs
    click.echo(f"{'ratio':<14}{whole.wall / alone.wall:>9.2f}{whole.cpu / alone.cpu:>9.2f}")
    if output:
        output.write_bytes(msgspec.json.format(msgspec.json.encode({"nodes": nodes, "bytes": size, "costs": costs})))


def fastest(what: str, command: Sequence[str], runs: int) -> Cost:
    """The run that took the least time."""
    return min((measure(what, command) for _ in range(runs)), key=lambda cost: cost.wall)


def measure(what: str, command: Sequence[str]) -> Cost:
    """Run a command to its end; its memory is looked at every 20 ms. Raises SystemExit where it fails."""
    click.echo(f"{what} ...", err=True)
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  the two commands above
            command, stdout=subprocess.DEVNULL, stderr=said, cwd=Path(__file__).parent.parent
        )
        peaks = {"RssAnon": 0, "RssFile": 0}
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            for name, now in memory(process.pid).items():
                peaks[name] = max(peaks[name], now)
            time.sleep(0.02)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"{what} ended with {process.returncode}: {said.read().decode(errors='replace')[-500:]}")
    return Cost(what, wall, usage.ru_utime + usage.ru_stime, peaks["RssAnon"] / 1024, peaks["RssFile"] / 1024)


def memory(pid: int) -> dict[str, int]:
    """The anonymous and the file memory of a process that is there now, in KiB; nothing where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    fields = (line.split() for line in lines)
    return {words[0].rstrip(":"): int(words[1]) for words in fields if words[0] in ("RssAnon:", "RssFile:")}


if __name__ == "__main__":
    main()
