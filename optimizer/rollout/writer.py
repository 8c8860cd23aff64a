"""One change on an API server: made under a test of what it replaces, found made already, or refused because
somebody else has changed the object meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import ConflictError, ForeignError, InternalError, LiveError, MissingError, RefusedError
from ..kube.changes import Change, Create, Delete, Label, Patch, Restart, TaintNodes, clean, key_of
from ..kube.client import MANAGER, Api
from ..kube.kinds import NODE, Ref
from ..kube.parallel import in_parallel
from ..kube.parse import raw_taint, taint_of
from ..kube.patches import done, failed, label_operations, passes, replace_operations
from ..model import Taint
from ..speakers import kinds_of
from ..speakers.product import Product
from ..words import plural

TRIES = 5
"""How often a change is tried again because something else in the object was changed at the same moment."""

LEAVING = 60
"""Seconds, about, to wait for an object that is being deleted: finalizers may hold it."""


class Writer:
    """Makes changes. `labels` are the values of the speaker label, by node, as they were read: these may be replaced,
    and on the way `back` those alone that are ours. There an object that is gone needs nothing, nor does one that is
    as a later change of it leaves it: that has been made before, or was never taken away.
    """

    def __init__(
        self,
        api: Api,
        product: Product,
        label: tuple[str, str],
        labels: Mapping[str, str | None],
        back: bool = False,
    ) -> None:
        self.api, self.product, self.label, self.labels, self.back = api, product, label, dict(labels), back
        self.kinds = kinds_of(product)

    def make(self, change: Change, later: Sequence[Patch] = ()) -> int:
        """Make a change and return how many objects it has changed; those that were so already do not count.

        `later` are the changes of the same object that are still to come.

        Raises ForeignError, MissingError, and LiveError for what the server refuses.
        """
        match change:
            case Label(key, value, nodes):
                return on_nodes(lambda name: self.set_label(name, key, value), nodes)
            case TaintNodes(taint, present, nodes):
                return on_nodes(lambda name: self.set_taint(name, taint, present), nodes)
            case Patch():
                return self.patch(change, later)
            case Create(manifest):
                return self.create(manifest, later)
            case Delete(kind, namespace, name):
                return self.delete(kind, namespace, name)
            case Restart():
                raise InternalError("a restart is no change of an object")

    def set_label(self, name: str, key: str, value: str | None) -> bool:
        """Set a node's label, or remove it."""
        path, now = Ref(NODE, name=name), self.labels.get(name)
        ours = {self.label[1], None} if self.back else {now}
        labels: Mapping[str, str] | None = {}
        whom = ""
        for _ in range(TRIES):
            if now == value:
                self.labels[name] = value  # the answer to our own patch may have been lost
                return False
            if now not in ours:
                break
            try:
                self.api.patch(path, label_operations(now, key, value, labels))
                self.labels[name] = value
                return True
            except MissingError:
                if value is None or self.back:
                    return False
                raise
            except (ConflictError, RefusedError) as error:
                refused(error)
            try:
                node = self.api.get(path)
            except MissingError:
                continue  # and so will be the next patch
            labels = node["metadata"].get("labels")
            now = (labels or {}).get(key)
            whom = by_whom(node, "metadata", "labels", key)
        else:
            raise ConflictError(f"node {name}: its label {key} cannot be set, the node is changed all the time", 409)
        raise ForeignError(
            "Node",
            f"node {name}: the label {key} {'was removed meanwhile' if now is None else f'is {now!r} by now'}{whom}; "
            "left unchanged",
        )

    def set_taint(self, name: str, taint: Taint, present: bool) -> bool:
        """Give a node a taint, or take it away."""
        path, place = Ref(NODE, name=name), (taint.key, taint.effect)
        for _ in range(TRIES):
            try:
                node = self.api.get(path)
            except MissingError:
                if not present or self.back:
                    return False
                raise
            old = node["spec"].get("taints") or []
            mine = [each for each in old if (each["key"], each["effect"]) == place]
            if bool(mine) == present and all(taint_of(each) == taint for each in mine):
                return False
            if not present and not mine:
                return False
            if any(taint_of(each).value not in (taint.value, self.label[1]) for each in mine):
                raise ForeignError(
                    "Node",
                    f"node {name}: the taint {taint.key} is {mine[0].get('value', '')!r} by now"
                    f"{by_whom(node, 'spec', 'taints')}; left unchanged",
                )
            new = [each for each in old if each not in mine]
            if present:
                new.append(raw_taint(taint))
            try:
                self.api.patch(path, replace_operations("/spec/taints", old or None, new or None))
                return True
            except MissingError:
                continue
            except (ConflictError, RefusedError) as error:
                refused(error)
        raise ConflictError(f"node {name}: its taints could not be set, they are changed all the time", 409)

    def patch(self, change: Patch, later: Sequence[Patch]) -> bool:
        """Patch an object with a JSON patch whose tests say what it is to be before."""
        path, again = Ref(self.kinds[change.kind], change.namespace, change.name), 0
        while True:
            try:
                if self.back and done(found := self.api.get(path), change.body):
                    return False
                self.api.patch(path, change.body)
                return True
            except MissingError:
                if self.back:
                    return False
                raise
            except (ConflictError, RefusedError) as error:
                refused(error)
                found = self.api.get(path)
                if done(found, change.body) or is_past(found, later, change.body):
                    return False
                if passes(found, change.body):
                    again += 1
                    if again >= TRIES or isinstance(error, RefusedError):
                        raise
                    continue
                fields = failed(found, change.body)
                named = ", ".join(".".join(each) for each in fields)
                raise ForeignError(
                    change.kind,
                    f"{change.kind} {change.name}: {named} is not what it was when the plan was made"
                    f"{by_whom(found, *fields[0])}; left unchanged",
                ) from None

    def create(self, manifest: Mapping[str, Any], later: Sequence[Patch]) -> bool:
        """Create an object, unless one that says the same is there; one that is being deleted is waited for."""
        kind, namespace, name = key_of(manifest)
        for _ in range(LEAVING):
            try:
                self.api.create(Ref(self.kinds[kind], namespace, name), clean(manifest))
                return True
            except ConflictError:
                try:
                    found = self.api.get(Ref(self.kinds[kind], namespace, name))
                except MissingError:
                    continue
                if found["metadata"].get("deletionTimestamp"):
                    time.sleep(1)
                    continue
                if found.get("spec") == manifest.get("spec") or is_past(found, later):
                    return False
                raise ForeignError(kind, f"{kind} {name} exists by now, with another spec; left unchanged") from None
        raise ConflictError(f"{kind} {name} cannot be created: the old one is being deleted, but stays", 409)

    def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Delete an object that we have created or parked."""
        path = Ref(self.kinds[kind], namespace, name)
        try:
            found = self.api.get(path)
            if not self.product.removable(found):
                raise ForeignError(kind, f"{kind} {name} is not as this plan leaves it by now; it is not deleted")
            self.api.delete(path, uid=found["metadata"]["uid"])
            return True
        except MissingError:
            return False


def is_past(found: Mapping[str, Any], later: Iterable[Patch], operations: Iterable[Mapping[str, Any]] = ()) -> bool:
    """Whether an object is as a later change of all these fields leaves it."""
    paths = {each["path"] for each in operations}
    return any(paths <= {operation["path"] for operation in each.body} and done(found, each.body) for each in later)


def on_nodes(rule: Callable[[str], bool], names: Iterable[str]) -> int:
    """How many nodes a rule has changed. One that somebody else has changed keeps no other from being changed; it is
    raised in the end."""

    def attempt(name: str) -> bool | ForeignError:
        try:
            return rule(name)
        except ForeignError as error:
            return error

    results = in_parallel(attempt, names)
    foreign = [each for each in results if isinstance(each, ForeignError)]
    raise_first(foreign)
    return sum(each is True for each in results)


def raise_first(foreign: Sequence[ForeignError]) -> None:
    """Raise the first of these, if there is one, with the number of the others."""
    if foreign:
        more = f" (and {plural(len(foreign) - 1, 'more node')})" if len(foreign) > 1 else ""
        raise ForeignError(foreign[0].kind, f"{foreign[0]}{more}")


def refused(error: LiveError) -> None:
    """Raise it again unless it may be a failed test or a conflict."""
    if error.status not in (409, 422):
        raise error


def by_whom(found: Mapping[str, Any], *fields: str) -> str:
    """Who else has set a field last, as far as the object tells.

    The time that it tells is when a manager last set any field, so our own, which has just set others, says nothing.
    """
    latest = ("", "")
    for entry in found["metadata"].get("managedFields") or ():
        if entry.get("manager") != MANAGER and holds(entry.get("fieldsV1") or {}, fields):
            latest = max(latest, (entry.get("time") or "", entry.get("manager") or ""))
    return f", set by {latest[1]}" if latest[1] else ""


def holds(part: Mapping[str, Any], fields: Iterable[str]) -> bool:
    """Whether a set of managed fields has a field, or ends above it, at one that is set as a whole.

    >>> holds({"f:spec": {"f:affinity": {}}}, ["spec", "affinity", "nodeAffinity"])
    True
    >>> holds({"f:spec": {"f:affinity": {}}}, ["spec", "tolerations"])
    False
    """
    for field in fields:
        if (below := part.get(f"f:{field}")) is None:
            return False
        if not below:
            return True
        part = below
    return True
