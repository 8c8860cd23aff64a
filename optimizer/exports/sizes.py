"""What Kubernetes does not take because it is too large: objects, and copies of them in an annotation."""

from __future__ import annotations

import msgspec

from ..errors import OutputError
from ..findings import Finding
from ..kube.changes import Create, Key, Patch, apply_changes, key_of
from ..plan.plan import Plan
from ..words import are, plural

LARGEST = 3 * 2**19
"""Bytes of an object as JSON: etcd takes requests of 1.5 MiB."""

LARGEST_ANNOTATION = 2**18
"""Bytes of all annotations of an object; `kubectl apply` keeps a copy of the object, without its status, in one."""


def check_sizes(plan: Plan, applied: bool) -> tuple[Finding, ...]:
    """Hazards of objects that the steps make large, where a user applies them; they are less than the API server holds.

    Raises OutputError for an object that no API server keeps, whatever the way to it.
    """
    sizes: dict[Key, int] = {}
    objects = plan.objects
    for step in plan.steps:
        objects = apply_changes(objects, step.changes)
        for change in step.changes:
            if isinstance(change, Patch | Create):
                key = change_key(change)
                sizes[key] = max(sizes.get(key, 0), len(msgspec.json.encode(objects.get(key))))
    large = sorted((-size, f"{kind} {name}") for (kind, _, name), size in sizes.items() if size > LARGEST_ANNOTATION)
    if not large:
        return ()
    size, name = -large[0][0], large[0][1]
    if size > LARGEST:
        raise OutputError(
            f"{name} would be {size >> 10} KiB, and Kubernetes keeps objects of at most {LARGEST >> 10} KiB: it lists "
            "nodes, which under peering all-attached a nodes.selector of its router in the topology can spare"
        )
    told = (
        f"{plural(len(large), 'object')}, such as {name}, {are(len(large))} larger than the "
        f"{LARGEST_ANNOTATION >> 10} KiB of annotations in which kubectl apply keeps a copy: "
        "apply the kustomization with kubectl apply --server-side"
    )
    return (Finding("large-object", told, name),) if applied else ()


def change_key(change: Patch | Create) -> Key:
    """The object that is changed."""
    return key_of(change.manifest) if isinstance(change, Create) else (change.kind, change.namespace, change.name)
