"""A cluster with its topology: read once, and seen as a policy asks for it.

Which DaemonSet carries the speakers, and which failure domains count, is in the policy. So what is read for the Python
API is kept as it was read (`DumpedCluster`) or is read anew each time (`LiveCluster`); `seen_by` makes the `Cluster`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ..errors import InputError
from ..files import path_of
from ..model import Cluster, Placement, Policy
from ..progress import Tell, silent
from ..speakers import product_named
from . import cluster as objects
from .gather import Found, read_objects
from .routers import NO_FILES, Places, with_topology
from .text import expect
from .topology import Topology, check_speaker_label, checked_topology, read_topology

if TYPE_CHECKING:
    from ..kube.client import Api

FileNames = str | Path | Sequence[str | Path]


def read_all(
    inputs: Sequence[str],
    policy: Policy,
    topology: Topology,
    tell: Tell = silent,
    product: str = "",
    expected: str = "",
    places: Places = NO_FILES,
) -> Cluster:
    """The cluster in these files and folders as the policy sees it; `product` and `expected` are as
    `cluster.read_cluster` has them, `places` is for sentences. Raises InputError.

    For a process that has this one job: what is read stays out of garbage collection until it ends.
    """
    check_speaker_label(topology, policy.speaker.label[0])
    with uncollected():
        try:
            wanted = policy.speaker.daemonset
            cluster = objects.read_cluster(inputs, wanted, tell, product, expected, places.placement)
            return with_topology(cluster, topology, policy, places)
        finally:
            gc.freeze()


class DumpedCluster:
    """Kubernetes objects from files, and a topology; what they mean is for a policy to say."""

    def __init__(self, found: Found, topology: Topology, product: str = "") -> None:
        self.found, self.topology, self.product = found, topology, product
        self.built: dict[tuple[str | None, str], Cluster] = {}

    def with_speakers(self, daemonset: str | None, expected: str = "") -> Cluster:
        """The cluster without routers, its speakers those of this DaemonSet; kept, as pods may be many.

        `expected` is the product that a placement was made for.
        """
        key = daemonset, expected
        if key not in self.built:
            self.built[key] = objects.build(self.found, daemonset, self.product, expected)
        return self.built[key]


class LiveCluster(Struct, frozen=True):
    """A connection to a cluster, and a topology; every job reads from it what it needs."""

    api: Api
    topology: Topology
    product: str = ""


Source = Cluster | DumpedCluster | LiveCluster
"""A cluster as it was read; a `Cluster` that is complete, with routers and attachments, serves as well."""


def read_cluster(
    paths: FileNames, topology: str | Path | Topology | None = None, progress: Tell = silent, product: str = ""
) -> DumpedCluster:
    """The cluster in files and folders of Kubernetes objects, `-` for stdin, with its topology. `product` names the
    speakers' product, which else the objects say. Raises InputError."""
    several = (paths,) if isinstance(paths, str | Path) else paths
    expect(several, Iterable, "paths")
    names = [str(path_of(path, "paths")) for path in several]
    given = as_topology(topology)
    product_named(product)
    with uncollected():
        return DumpedCluster(read_objects(names, progress), given, product)


def read_live(api: Api, topology: str | Path | Topology | None = None, product: str = "") -> LiveCluster:
    """The cluster of a connection, with its topology file; `product` as above. Raises InputError for the topology."""
    from ..kube.client import Api  # which files do without

    expect(api, Api, "api")
    product_named(product)
    return LiveCluster(api, as_topology(topology), product)


def as_topology(given: str | Path | Topology | None) -> Topology:
    """A topology, read where it is the path of a file; an empty one for None. Raises InputError."""
    if given is None:
        return Topology()
    return checked_topology(given) if isinstance(given, Topology) else read_topology(given)


def check_source(source: Source) -> None:
    """Raise InputError for what is no cluster."""
    if not isinstance(source, Source):
        raise InputError(f"cluster: expected what read_cluster or read_live gives, got {type(source).__name__}")


def topology_of(source: Source) -> Topology:
    """The topology that was given, an empty one for a complete cluster. Raises InputError for what is no cluster."""
    check_source(source)
    return Topology() if isinstance(source, Cluster) else source.topology


def seen_by(policy: Policy, source: Source, placement: Placement | None = None, progress: Tell = silent) -> Cluster:
    """The cluster as the policy sees it: its speakers, routers, attachments and failure domains.

    Of a live one the room is looked up on the nodes of the placement alone. Raises InputError, also for a placement
    that was made for another product, and LiveError.
    """
    check_source(source)
    if isinstance(source, Cluster):
        return source
    check_speaker_label(source.topology, policy.speaker.label[0])
    expected = placement.product if placement else ""
    if isinstance(source, DumpedCluster):
        return with_topology(source.with_speakers(policy.speaker.daemonset, expected), source.topology, policy)
    # Without it, what reads files does without the client.
    from .live import read_live as read_cluster_objects
    from .live import with_room

    live = read_cluster_objects(source.api, policy.speaker.daemonset, progress, source.product, expected)
    cluster = with_room(source.api, live.cluster, placement.speakers if placement else (), live, progress)
    return with_topology(cluster, source.topology, policy)


@contextmanager
def uncollected() -> Iterator[None]:
    """All that is read is kept, so to look for garbage meanwhile takes half the time for nothing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
