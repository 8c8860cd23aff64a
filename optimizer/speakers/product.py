"""What a product is: the software that a cluster's BGP speakers belong to, as the rest of the package sees it.

Products differ in three ways that matter everywhere: whether their agent can be restricted to some nodes or runs on all
of them (`restrictable`), whom a speaker announces (`next_hop`), and what an edit of their objects disturbs
(`PeerEdits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from msgspec import Struct

from ..findings import Finding
from ..kube.changes import Change
from ..kube.item import Items
from ..kube.kinds import Kind
from ..kube.objects import Object
from ..model import Cluster, LabelSelector, Paths, Peer, Placement, Policy, Resources, Router
from .signs import Signs

if TYPE_CHECKING:
    from ..kube.client import Api

T = TypeVar("T")
Labels = Mapping[str, str]
Manifest = Mapping[str, Any]


class PeerEdits(Struct, frozen=True):
    """What a product's peer objects need: `early` opens what is new, `late` closes what is no longer wanted.

    `names` maps each router to the peer object (`Peer.name`) that carries its sessions in the end. `resets` are the
    routers all of whose sessions such an edit ends and begins anew. Changes of node labels may be among the edits.
    """

    early: tuple[Change, ...] = ()
    late: tuple[Change, ...] = ()
    names: Mapping[str, str] = {}
    resets: tuple[str, ...] = ()


class SessionReport(Struct, frozen=True):
    """What the cluster reports of one session: whether it is up, since when (RFC 3339, None where that is not said),
    and whether anything is announced in it."""

    up: bool
    since: str | None = None
    announces: bool = False


class PeerReport(Struct, frozen=True):
    """What is reported of one peer object (`Peer.name`): by node, the session.

    A node that is missing has not been heard of: whether its session is up is unknown.
    """

    peer: str
    sessions: Mapping[str, SessionReport] = {}


class Outdated(Struct, frozen=True):
    """Releases of a product whose speakers are a Deployment: what tells it, and as the end of a sentence what it is,
    why it cannot be placed, and what can be."""

    signs: Signs
    why: str


class Turns(Protocol):
    """Speakers that must start one after another."""

    def begin(self) -> bool:
        """Begin to take turns; whether speakers say when they have got through at all."""

    def take(self, name: str, start: Callable[[], T]) -> T:
        """Have the speaker on a node started, and wait until it has got through, unless there was nothing to start."""


class Probes(Struct, frozen=True):
    """What the exported scripts ask kubectl about peer objects.

    `resource` is their kind as kubectl takes it; `sessions` a Go template over a list of them that prints a line
    `node peer` for each session that is up; `period` the seconds after which such a report can be believed; `fields`
    the jsonpath of the fields that patches change.
    """

    resource: str
    sessions: str
    period: int
    fields: str


class Product(Protocol):
    """A product. Its methods are pure but for those that take an `Api`."""

    @property
    def name(self) -> str:
        """As `--product` takes it."""

    @property
    def title(self) -> str:
        """As sentences name it."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Its own kinds of objects, the one of the peer objects first."""

    @property
    def structs(self) -> Mapping[str, type[Object]]:
        """The fields that are read of the objects of each of its kinds, by the kind's name."""

    @property
    def reported(self) -> Mapping[str, type[Struct]]:
        """The fields that are read of the status of objects, by the kind's name, where anything is."""

    @property
    def signs(self) -> Signs:
        """What tells the DaemonSet that carries its speakers, unless one is named."""

    @property
    def outdated(self) -> Outdated | None:
        """Releases that are recognised, but cannot be placed."""

    @property
    def requests(self) -> Resources:
        """What a speaker requests where the input has no such DaemonSet."""

    @property
    def restrictable(self) -> bool:
        """Whether that DaemonSet may be restricted to some nodes.

        An agent that every node needs may not: it is steered by peer objects alone, its DaemonSet, the speaker label
        and taints are left as they are, and a speaker is then an agent that has a session.
        """

    @property
    def next_hop(self) -> Literal["all", "self"]:
        """Whom a speaker announces as next hops: nodes in general, or itself alone."""

    @property
    def keeps_apart(self) -> bool:
        """Whether peer objects of one address that differ give sessions of their own: then they are routers of their
        own. Where it does not, such objects are refused."""

    def read(self, items: Mapping[str, Items], warnings: list[Finding]) -> tuple[tuple[Peer, ...], Mapping[str, Any]]:
        """The peer objects, sorted, and `Cluster.settings`, which this product alone reads.

        `items` holds the objects of every one of its kinds, by the kind's name; `warnings` are added to. A peer object
        that cannot be read is passed over with a warning, and left alone. Raises InputError.
        """

    def selected(self, peer: Peer, select: Callable[[LabelSelector | None], tuple[str, ...]]) -> tuple[str, ...]:
        """The nodes, sorted, whose speakers a peer object lets peer, whether they run or not.

        `select` gives the nodes, sorted, that a selector matches.
        """

    def differences(self, first: Peer, other: Peer) -> Sequence[str]:
        """The fields in which two peer objects of one address ask for different sessions, whatever nodes they select;
        with the values where these are no secret. None where they may be one object."""

    def sessions(
        self, cluster: Cluster, routers: Sequence[Router], select: Callable[[LabelSelector | None], tuple[str, ...]]
    ) -> Mapping[str, tuple[str, ...]]:
        """`Today.sessions`: for every router the running speakers that the peer objects give a session with it.

        `routers` are those of the cluster, each with its peer object's name; what is returned is sorted.
        """

    def announced_with(self, cluster: Cluster) -> Mapping[str, str]:
        """For every node the rack of the speakers that alone announce it, "" for the nodes in no rack.

        Empty where every speaker announces every node. Raises InputError for a rack that cannot be one.
        """

    def edit_peers(self, cluster: Cluster, policy: Policy, placement: Placement, labelled: frozenset[str]) -> PeerEdits:
        """The edits of the peer objects that give exactly the placement's sessions.

        `labelled` are the nodes that carry the speaker label while old and new speakers run. Raises InputError.
        """

    def refusals(self, cluster: Cluster, policy: Policy, placement: Placement) -> Iterable[str]:
        """One sentence for each reason for which such a placement must not be brought about with this product."""

    def hazards(self, cluster: Cluster, policy: Policy, placement: Placement) -> Iterable[Finding]:
        """One finding for each trap of the product that the input itself holds."""

    def edit_hazards(self, changes: Iterable[Change]) -> Iterable[Finding]:
        """One finding for each disturbance that changes of the product's own objects bring about."""

    def disturbance(self, opening: bool) -> str:
        """What `early` (opening) or `late` edits of peer objects disturb, in a few words."""

    def paths(self, cluster: Cluster, placement: Placement) -> tuple[Paths, ...]:
        """What each router holds for one service, today and in the placement."""

    def peerings(
        self, cluster: Cluster, running: Mapping[str, Labels], peers: Sequence[Manifest]
    ) -> Iterator[tuple[str, str]]:
        """The sessions as (node, router) that peer objects give speakers on these nodes, of which the labels are given.

        An independent reading of plain objects, for checks: it shares no code with `edit_peers`. A router is named by
        its name, or by its address where the cluster knows none. Raises ValueError for what Kubernetes would refuse.
        """

    def duplicates(self, peers: Sequence[Manifest]) -> Iterator[str]:
        """What peer objects say a second time though one router must have one of them: the address and the name."""

    def observed(self, items: Mapping[str, Items]) -> Iterator[PeerReport]:
        """What the objects of an input report of every peer object; `items` are as `read` has them. Raises
        InputError."""

    def reports(self, api: Api) -> Iterator[PeerReport]:
        """What a live cluster reports of every peer object that asks for sessions. Raises LiveError."""

    @property
    def report_period(self) -> float:
        """Seconds after which a speaker has written the state of its sessions."""

    def turns(self, api: Api, interval: float, tell: Callable[[object], None]) -> Turns:
        """Whose turn it is to start; `interval` is the most seconds between two looks."""

    def removable(self, manifest: Manifest) -> bool:
        """Whether a peer object is one that we have made, or parked to be removed."""

    def probes(self) -> Probes:
        """What the exported scripts ask."""

    def probed(self, manifest: Manifest) -> Sequence[Any]:
        """The values of the fields of `Probes.fields`, in their order, None for one that is absent."""

    @property
    def steered(self) -> tuple[str, ...]:
        """JSON pointers of the fields of a peer object by which an export steers sessions."""

    @property
    def helm_values(self) -> str:
        """The key of the chart's values that has nodeSelector, affinity and tolerations of the speakers."""

    @property
    def helm_hazards(self) -> Mapping[str, str]:
        """By style, what is known to go wrong with the product's chart."""
