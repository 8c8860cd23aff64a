"""The fields of Kubernetes objects that we use, as msgspec structs; all other fields are passed over.

Names and nesting are those of the objects themselves. Optional fields may be absent or null, as in any dump.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

Quantities = dict[str, str | int | float]
NULL = Raw(b"null")


class Partial(Struct, rename="camel", gc=False):
    """The fields of an object that we use; all others are passed over. (JSON holds no cycles to be collected.)"""


class Owner(Partial):
    kind: str = ""
    name: str = ""


class Named(Partial):
    name: str = ""
    namespace: str | None = None


class Meta(Partial):
    name: str = ""
    namespace: str | None = None
    labels: dict[str, str] | None = None
    owner_references: list[Owner] | None = None
    deletion_timestamp: str | None = None


class Kinded(Partial, kw_only=True):
    """What it is; the members of a typed list, such as a NodeList, may leave that to the list."""

    kind: str = ""
    api_version: str = ""


class Head(Kinded):
    """An object, a list, or an event of a watch, which has no kind, but a type and the object that it is about."""

    metadata: Raw = NULL
    items: Raw = NULL
    type: Raw = NULL
    object: Raw = NULL


class Whole(Kinded):
    metadata: Raw = NULL
    items: list[Raw] | None = None


class ListMeta(Partial):
    """Of a list that is one page of several: where the next one starts, and how many objects come after this one."""

    next: str | None = msgspec.field(name="continue", default=None)
    remaining_item_count: int | None = None


class Answer(Kinded):
    """What a server answers in place of what was asked for, of the kind Status."""

    status: str | None = None
    message: str | None = None


class Version(Partial):
    """What tells states of one object apart."""

    uid: str | None = None
    resource_version: str | None = None


class Versioned(Partial):
    metadata: Version | None = None


class Object(Kinded, kw_only=True):
    """The base of the objects that are read."""

    metadata: Meta


class NodeTaint(Partial):
    key: str
    effect: str
    value: str | None = None


class NodeSpec(Partial):
    taints: list[NodeTaint] | None = None
    unschedulable: bool | None = None


class Condition(Partial):
    type: str = ""
    status: str = ""
    reason: str | None = None


class Address(Partial):
    type: str = ""
    address: str = ""


class NodeInfo(Partial):
    operating_system: str | None = None


class NodeStatus(Partial):
    allocatable: Quantities | None = None
    capacity: Quantities | None = None
    conditions: list[Condition] | None = None
    addresses: list[Address] | None = None
    node_info: NodeInfo | None = None


class NodeObject(Object):
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class Needs(Partial):
    requests: Quantities | None = None
    limits: Quantities | None = None


class ContainerPort(Partial):
    container_port: int | None = None
    host_port: int | None = None
    protocol: str | None = None
    host_ip: str | None = msgspec.field(name="hostIP", default=None)


class Container(Partial):
    """What is raw is the same in many pods, and is decoded once for all of them."""

    name: str | None = None
    resources: Raw = NULL
    ports: Raw = NULL
    restart_policy: str | None = None


class Expression(Partial):
    key: str
    operator: str
    values: list[str] | None = None


class Term(Partial):
    match_expressions: list[Expression] | None = None
    match_fields: list[Expression] | None = None


class Terms(Partial):
    node_selector_terms: list[Term] | None = None


class NodeAffinity(Partial):
    required: Terms | None = msgspec.field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)


class Affinity(Partial):
    node_affinity: NodeAffinity | None = None


class PodToleration(Partial):
    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class PodOs(Partial):
    name: str | None = None


class PodSpec(Partial):
    node_name: str | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    overhead: Quantities | None = None
    resources: Needs | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: list[PodToleration] | None = None
    host_network: bool | None = None
    os: PodOs | None = None


class ContainerStatus(Partial):
    name: str = ""
    allocated_resources: Raw = NULL
    resources: Raw = NULL


class PodStatus(Partial):
    phase: str | None = None
    conditions: list[Condition] | None = None
    resize: str | None = None
    container_statuses: Sequence[ContainerStatus] | None = None
    init_container_statuses: Sequence[ContainerStatus] | None = None
    allocated_resources: Quantities | None = None
    resources: Needs | None = None


class PodObject(Object):
    spec: PodSpec
    status: PodStatus | None = None


class Selector(Partial):
    match_labels: dict[str, str] | None = None
    match_expressions: list[Expression] | None = None


class Template(Partial):
    spec: PodSpec


class DaemonSetSpec(Partial):
    template: Template
    selector: Selector | None = None


class DaemonSetStatus(Partial):
    current_number_scheduled: int | None = None
    number_ready: int | None = None
    desired_number_scheduled: int | None = None


class DaemonSetObject(Object):
    spec: DaemonSetSpec
    status: DaemonSetStatus | None = None


class LimitItem(Partial):
    type: str = ""
    default: Quantities | None = None
    default_request: Quantities | None = None


class LimitRangeSpec(Partial):
    limits: list[LimitItem] | None = None


class LimitRangeObject(Object):
    spec: LimitRangeSpec | None = None
