"""The problem and its answer as plain frozen data: no I/O, no solver.

Units: CPU in millicores, memory in bytes, pods as a count; times in seconds.
Names (of nodes, routers, domains) are the keys everywhere; collections are sorted by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct

from .findings import Finding

Peering = Literal["all-attached", "selected"]
Mode = Literal["bgp", "layer2", "vip"]
Goal = Literal["sessions", "speakers", "moves", "sessionMoves", "cost"]
Status = Literal["optimal", "feasible", "infeasible"]
GOALS: tuple[Goal, ...] = ("sessions", "speakers", "moves", "sessionMoves", "cost")

SPEAKER_LABEL = ("bgp-speakers/speaker", "true")
"""The node label (key, value) that marks a chosen speaker, unless the policy names another."""


class Resources(Struct, frozen=True):
    """CPU in millicores, memory in bytes, a number of pods, and by name whatever else Kubernetes counts: bytes of
    ephemeral-storage, devices. In `others` a name that is missing is none of it."""

    cpu: int = 0
    memory: int = 0
    pods: int = 0
    others: Mapping[str, int] = {}

    def __add__(self, other: Resources) -> Resources:
        return self.combined(other, 1)

    def __sub__(self, other: Resources) -> Resources:
        return self.combined(other, -1)

    def combined(self, other: Resources, sign: int) -> Resources:
        """The sum with the other amounts, or with -1 the difference."""
        others = self.others
        if other.others:
            others = {
                name: self.others.get(name, 0) + sign * other.others.get(name, 0)
                for name in sorted({*self.others, *other.others})
            }
        return Resources(
            self.cpu + sign * other.cpu, self.memory + sign * other.memory, self.pods + sign * other.pods, others
        )


class Taint(Struct, frozen=True):
    """A taint of a node; `value` is empty where it has none."""

    key: str
    effect: str
    value: str = ""


class Toleration(Struct, frozen=True):
    """A toleration of a pod; an empty key with `Exists` tolerates everything, an empty effect every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class Requirement(Struct, frozen=True):
    """One `matchExpressions` entry: In, NotIn, Exists, DoesNotExist, and for node affinity Gt, Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Struct, frozen=True):
    """A `metav1.LabelSelector`: all parts must match; an empty selector matches everything."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()


class NodeSelectorTerm(Struct, frozen=True):
    """One term of a required node affinity: all parts must match; an empty term matches nothing."""

    match_expressions: tuple[Requirement, ...] = ()
    match_fields: tuple[Requirement, ...] = ()


class Node(Struct, frozen=True):
    """A Kubernetes node.

    `ready` is None where the dump has no Ready condition. `allocatable` is None where the dump has none.
    `requested` is what its pods request, speakers left out. `domains` maps a failure domain kind to the
    value this node is in. `troubles` says in a few words each what makes it unfit for a speaker whatever is tolerated:
    a pressure condition, a network that is unavailable, its removal that has begun. `taken` are the host ports of a
    speaker that other pods there hold, such as `TCP 50051`.
    """

    name: str
    labels: Mapping[str, str] = {}
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    deleting: bool = False
    ready: bool | None = None
    addresses: tuple[str, ...] = ()
    allocatable: Resources | None = None
    requested: Resources = Resources()
    domains: Mapping[str, str] = {}
    troubles: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()


class Router(Struct, frozen=True):
    """A BGP neighbour outside the cluster.

    `peer` is the name of its peer object, where there is one. `selector` is set where exactly one label selector
    says which nodes are attached; an export may then use it. `min_speakers` raises the policy's number; with 0 the
    router asks for no session.
    """

    name: str
    address: str | None = None
    asn: int | None = None
    max_sessions: int | None = None
    min_speakers: int | None = None
    domains: Mapping[str, str] = {}
    selector: LabelSelector | None = None
    peer: str | None = None


class Peer(Struct, frozen=True):
    """A product's object that asks for sessions with a router; `selector` None matches every node.

    `manifest` is the object as read; where one object names several neighbours, there is a Peer for each, whose `name`
    tells them apart. `parked`: an interrupted change has led it to nobody's address; it asks for no session, and is to
    be removed. `off`: it is administratively down, and asks for no session.
    """

    name: str
    address: str
    asn: int
    selector: LabelSelector | None
    manifest: Mapping[str, Any]
    parked: bool = False
    off: bool = False

    @property
    def kind(self) -> str:
        """The kind of the object."""
        return str(self.manifest["kind"])


class Speaker(Struct, frozen=True):
    """The speaker DaemonSet: where its pods may run and what one requests; `manifest` is the object as read.

    `ports` are the host ports that a pod needs, as (protocol, address of the host, port); 0.0.0.0 stands for all.
    """

    namespace: str
    name: str
    node_selector: Mapping[str, str]
    affinity: tuple[NodeSelectorTerm, ...] | None
    tolerations: tuple[Toleration, ...]
    requests: Resources
    host_network: bool
    manifest: Mapping[str, Any]
    ports: tuple[tuple[str, str, int], ...] = ()


class Today(Struct, frozen=True, dict=True):
    """The nodes with a speaker, and for every router those whose speakers have a session with it configured, sorted.

    The sessions are those that the peer objects give; their nodes need not be attached to the router. `up` and `down`
    hold those of them that are reported up, or that cannot be: reported down, or of a speaker that does not work. Of
    all others it is unknown, and they count as if they were up. `broken` says of each speaker that does not work why:
    its pod is not Ready, or all its sessions are reported down. `refused` says of nodes without a speaker why the
    scheduler keeps the pod that is meant for them waiting.
    """

    speakers: tuple[str, ...] = ()
    sessions: Mapping[str, tuple[str, ...]] = {}
    up: Mapping[str, tuple[str, ...]] = {}
    down: Mapping[str, tuple[str, ...]] = {}
    broken: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}

    @cached_property
    def working(self) -> tuple[str, ...]:
        """The nodes whose speaker works, as far as is known, sorted.

        >>> Today(("a", "b"), broken={"a": "its pod is not Ready"}).working
        ('b',)
        """
        return tuple(name for name in self.speakers if name not in self.broken) if self.broken else self.speakers

    @cached_property
    def held(self) -> Mapping[str, tuple[str, ...]]:
        """For every router the nodes, sorted, whose session with it is up, or not known to be down.

        >>> Today(("a", "b"), {"r": ("a", "b")}, down={"r": ("a",)}).held
        {'r': ('b',)}
        """
        if not self.down:
            return self.sessions
        # Routers may be many and alike: the nodes of those with the same sessions are one tuple.
        known: dict[tuple[int, tuple[str, ...]], tuple[str, ...]] = {}
        for router, names in self.sessions.items():
            key = id(names), self.down.get(router, ())
            if key not in known:
                lost = set(key[1])
                known[key] = tuple(name for name in names if name not in lost) if lost else names
        return {router: known[id(names), self.down.get(router, ())] for router, names in self.sessions.items()}

    def everywhere(self, router: str) -> bool:
        """Whether every speaker has a session with the router configured.

        >>> today = Today(("a", "b"), {"r1": ("a", "b"), "r2": ("b",)})
        >>> today.everywhere("r1"), today.everywhere("r2"), today.everywhere("r3")
        (True, False, False)
        """
        # Only running speakers have sessions, so to count them is enough.
        return len(self.sessions.get(router, ())) == len(self.speakers)

    def held_by_all(self, router: str) -> bool:
        """Whether the sessions with the router that are not down are those of all speakers that work.

        >>> Today(("a", "b"), {"r": ("a", "b")}, down={"r": ("a",)}, broken={"a": "not Ready"}).held_by_all("r")
        True
        """
        # A speaker that does not work holds none.
        return len(self.held.get(router, ())) == len(self.working)


class Cluster(Struct, frozen=True):
    """All that was read. `attachments` maps every router to its attached nodes, sorted.

    `reports` says by peer object and node whether the session is reported up; what is missing is unknown.
    `product` names the product of the speakers, "" the one that is assumed. `speaker` is None where the input has no
    speaker DaemonSet. `settings` are the product's own, which it alone reads.
    `warnings` say what the input leaves open.
    """

    nodes: tuple[Node, ...]
    routers: tuple[Router, ...] = ()
    attachments: Mapping[str, tuple[str, ...]] = {}
    peers: tuple[Peer, ...] = ()
    speaker: Speaker | None = None
    settings: Mapping[str, Any] = {}
    daemonsets: tuple[Mapping[str, Any], ...] = ()
    today: Today = Today()
    reports: Mapping[str, Mapping[str, bool]] = {}
    warnings: tuple[Finding, ...] = ()
    product: str = ""


class Survive(Struct, frozen=True):
    """Whichever one domain of `kind` fails, every router outside it keeps `survivors` sessions."""

    kind: str
    survivors: int = 1


class SpeakerNeeds(Struct, frozen=True):
    """What a speaker needs: `requests` None means as the DaemonSet says; `per_session` is added per session."""

    requests: Resources | None = None
    per_session: Resources = Resources()
    max_sessions: int | None = None
    label: tuple[str, str] = SPEAKER_LABEL
    daemonset: str | None = None


class NodeCost(Struct, frozen=True):
    """Nodes that match `selector` cost `cost` each when chosen."""

    selector: LabelSelector
    cost: int


class NodeRules(Struct, frozen=True):
    """Which nodes must not, should or must be chosen: `exclude`, `prefer` by selector, `pin`, `ban` by name.

    `head_room`: how full a node is belongs to its cost.
    """

    exclude: tuple[LabelSelector, ...] = ()
    prefer: tuple[LabelSelector, ...] = ()
    pin: tuple[str, ...] = ()
    ban: tuple[str, ...] = ()
    cost: tuple[NodeCost, ...] = ()
    head_room: bool = True


class Policy(Struct, frozen=True):
    """What is asked for. `goals` in strict order; `max_moves` bounds the speakers started plus stopped.

    `allow_break` lets a router's limit be respected only after the change, not during it.
    `best_effort` returns the least shortfall where the rules cannot all hold. `coverage`: every rack keeps sessions of
    its own at its routers; None where the product's speakers announce only their rack.
    """

    speakers_per_router: int = 2
    peering: Peering = "all-attached"
    mode: Mode = "bgp"
    survive: tuple[Survive, ...] = ()
    speaker: SpeakerNeeds = SpeakerNeeds()
    nodes: NodeRules = NodeRules()
    max_moves: int | None = None
    goals: tuple[Goal, ...] = GOALS
    time_limit: float = 60.0
    best_effort: bool = False
    allow_break: bool = False
    coverage: bool | None = None


class Objective(Struct, frozen=True):
    """The value reached for a goal and the proved lower bound (equal: proved)."""

    name: str
    value: int
    bound: int


class Session(Struct, frozen=True, order=True):
    """One BGP session between the speaker on `node` and `router`."""

    node: str
    router: str


class Count(Struct, frozen=True):
    """Speakers and configured sessions of one state of the cluster; how many speakers are `working`, and how many
    sessions are reported `up`, or are `down`, None in a placement of an earlier release."""

    speakers: int
    sessions: int
    working: int | None = None
    up: int | None = None
    down: int | None = None


class Shortfall(Struct, frozen=True):
    """What a best-effort placement leaves open at a router: `missing` sessions of the named rule."""

    router: str
    rule: str
    missing: int


class Conflict(Struct, frozen=True):
    """Why there is no placement: rules that cannot hold together, none of which can be left out.

    `counts` are the facts behind it, `change` the smallest change that would help.
    """

    routers: tuple[str, ...]
    rules: tuple[str, ...]
    counts: tuple[str, ...]
    change: str


class Paths(Struct, frozen=True):
    """Paths a router holds for one service, over all its sessions."""

    router: str
    today: int
    proposed: int


class Placement(Struct, frozen=True):
    """The answer: sorted speakers and sessions, goals in order, and what else a reader should know.

    `eligible` counts the candidate nodes, `ineligible` the others by cause. `warnings` speak of the topology
    and the input, `hazards` of what the product does during the change. `product` is whose speakers they are.
    """

    status: Status
    objectives: tuple[Objective, ...] = ()
    speakers: tuple[str, ...] = ()
    sessions: tuple[Session, ...] = ()
    today: Count = Count(0, 0)
    eligible: int = 0
    ineligible: Mapping[str, int] = {}
    diagnosis: tuple[Conflict, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    paths: tuple[Paths, ...] = ()
    warnings: tuple[Finding, ...] = ()
    hazards: tuple[Finding, ...] = ()
    product: str = ""
