"""The plan as a Kustomize component, with scripts for the nodes, which no kustomization should hold.

A component replaces the one of an earlier export, so it says all that is wished, not only what changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonpointer
import yaml
from msgspec import Struct

from ..kube.changes import Change, Create, Delete, Objects, Patch
from ..kube.kinds import DAEMONSET, Kind
from ..kube.patches import EMPTY
from ..plan.plan import Plan
from ..plan.template import edits_template, pod_spec, style_fields
from .around import Tool, around
from .script import commented, document

COMPONENT = """Where the BGP speakers run and with whom they peer; list this folder among the components
of a kustomization that has the DaemonSet and the {}s among its resources."""


class Part(Struct, frozen=True):
    """A file of the component: a resource, or a patch of the object that is named."""

    file: str
    text: str
    patches: tuple[Kind, str] | None = None


class Quoted(str):
    """A string that stands between quotes in YAML: what reads it next may take a bare one for a number."""


class Dumper(yaml.SafeDumper):
    """Writes YAML with quoted strings."""


Dumper.add_representer(Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def kustomize_files(plan: Plan) -> tuple[dict[str, str], str]:
    """The files, and what README.txt says of them."""
    deleted = {change.name for step in plan.steps for change in step.changes if isinstance(change, Delete)}
    kind = plan.product.kinds[0]
    created = set(plan.peers.names.values())

    def in_component(change: Change) -> bool:
        """Peer objects that are to go are parked and deleted by the scripts, before and after the component."""
        if isinstance(change, Patch):
            return edits_template(change) or (change.kind == kind.name and change.name not in deleted)
        if isinstance(change, Create):
            return change.manifest["metadata"]["name"] in created
        return isinstance(change, Delete) and change.name in created

    tool = Tool(
        in_component,
        "nodes-",
        "The DaemonSet is not as the component asks: apply your kustomization with it, then run this script again.",
        "The DaemonSet is not as it was: apply your earlier kustomization, then run this script again.",
    )
    scripts, between = around(plan, tool)
    after = plan.after
    files = {**scripts, **component(plan, after, deleted, "component/")}
    peers = f"{kind.name}s"
    if all(between.get(key) == after.get(key) for key in ((kind.name, "", name) for name in created)):
        return files, README.format(peers=peers)
    return {**files, **component(plan, between, deleted, "component-transition/")}, TRANSITION.format(peers=peers)


def component(plan: Plan, objects: Objects, deleted: set[str], folder: str) -> dict[str, str]:
    """A component that gives the DaemonSet and the peer objects of `objects`."""
    parts = [*daemonset_part(plan, objects), *peer_parts(plan, objects, deleted)]
    files = {part.file: part.text for part in parts}
    resources = [Quoted(part.file) for part in parts if part.patches is None]
    index = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        **({"resources": resources} if resources else {}),
        "patches": [
            {"path": Quoted(part.file), "target": target(*part.patches)} for part in parts if part.patches is not None
        ],
    }
    text = yaml.dump(index, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=2**16)
    files["kustomization.yaml"] = commented(COMPONENT.format(plan.product.kinds[0].name), text)
    return {folder + name: text for name, text in files.items()}


def target(kind: Kind, name: str) -> dict[str, str]:
    """The object of a patch; Kustomize takes the name for a regular expression."""
    found = {"group": kind.group, "version": kind.version, "kind": kind.name, "name": name.replace(".", "\\.")}
    return {key: Quoted(value) for key, value in found.items()}


def daemonset_part(plan: Plan, objects: Objects) -> list[Part]:
    """The patch of the DaemonSet, where it may be restricted."""
    if plan.daemonset is None or not plan.product.restrictable:
        return []
    name = plan.daemonset_key[2]
    today, wished = pod_spec(plan.daemonset), pod_spec(objects[plan.daemonset_key])
    fields = style_fields(plan.style, today, wished)
    patch = {
        "apiVersion": DAEMONSET.api_version,
        "kind": DAEMONSET.name,
        "metadata": {"name": name},
        "spec": {"template": {"spec": {field: overlay(today.get(field), wished.get(field)) for field in fields}}},
    }
    return [Part("daemonset.yaml", document(f"where DaemonSet {name} runs its pods", patch), (DAEMONSET, name))]


def peer_parts(plan: Plan, objects: Objects, deleted: set[str]) -> list[Part]:
    """The peer objects of the placement's routers, and those to be left out since another one has their address."""
    kind, parts = plan.product.kinds[0], list[Part]()
    for number, name in enumerate(sorted({*plan.peers.names.values(), *deleted}), 1):
        # A name of its own for each: those of over 200 characters are cut and numbered.
        file = f"{kind.name.lower()}-{name if len(name) <= 200 else f'{name[:200]}-{number}'}.yaml"
        key = (kind.name, "", name)
        found = objects.get(key)
        if name in deleted:
            gone = {
                "apiVersion": kind.api_version,
                "kind": kind.name,
                "metadata": {"name": name},
                "$patch": "delete",
            }
            comment = f"{kind.name} {name} is left out: another one has its address"
            parts.append(Part(file, document(comment, gone), (kind, name)))
        elif found is not None and plan.product.removable(found):
            parts.append(Part(file, document(f"{kind.name} {name}, which no router had before", found)))
        elif found is not None and (edits := steering(plan, found, plan.objects[key])):
            parts.append(Part(file, document(f"the speakers that {kind.name} {name} peers with", edits), (kind, name)))
    return parts


def steering(plan: Plan, found: Mapping[str, Any], today: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The JSON patch that sets the fields by which sessions are steered; none where they are empty then as now.

    `add` replaces what is there; an empty value selects every node, as an absent one does.
    """
    operations = []
    for path in plan.product.steered:
        new, old = (jsonpointer.resolve_pointer(each, path, None) for each in (found, today))
        if new not in EMPTY or old not in EMPTY:
            empty = type(old)() if new is None else new
            operations.append({"op": "add", "path": path, "value": empty})
    return operations


def overlay(old: Any, new: Any) -> Any:
    """The strategic merge patch that gives `new` over `old` or over nothing: whole values, null for keys to go.

    >>> overlay({"a": "1", "b": "2"}, {"b": "2", "c": "3"})
    {'a': None, 'b': '2', 'c': '3'}
    """
    if new in EMPTY:
        return None
    if not isinstance(new, Mapping) or not isinstance(old, Mapping):
        return new
    gone = {name: None for name in old if name not in new}
    return gone | {name: overlay(old.get(name), value) for name, value in new.items()}


README = """Kustomize

1. nodes-before.sh   labels the nodes of the new speakers and, for now, of those that leave
2. apply your kustomization with component/ among its components; it must hold, as resources, the speaker DaemonSet
   and the {peers} (all but those that component/ itself has as resources)
3. nodes-after.sh    waits until the new speakers run and their sessions are established, restarts those that stay
                     where the template has changed, then removes the labels that are no longer needed

The kustomization must not set spec.updateStrategy of the DaemonSet, or say OnDelete until nodes-after.sh is done: an
edit of the template under RollingUpdate would restart speakers without a look at their sessions. nodes-before.sh sets
OnDelete and an annotation with what was there, nodes-after.sh restarts the speakers in rounds and sets it again.

The way back: rollback.sh, which stops where your earlier kustomization is due; then rollback.sh again. To look first:
kubectl diff -k <your kustomization>.
"""

TRANSITION = """Kustomize

1. nodes-before.sh   labels the nodes of the new speakers and, for now, of those that leave
2. apply your kustomization with component-transition/ among its components: it lets new sessions open and closes
   none; the kustomization must hold, as resources, the speaker DaemonSet and the {peers} (all but those that the
   component itself has as resources)
3. nodes-after.sh    waits until the new speakers run and their sessions are established, restarts those that stay
                     where the template has changed, then removes the labels that are no longer needed
4. apply your kustomization with component/ in the place of component-transition/, which closes the sessions that are
   no longer needed

The kustomization must not set spec.updateStrategy of the DaemonSet, or say OnDelete until nodes-after.sh is done: an
edit of the template under RollingUpdate would restart speakers without a look at their sessions. nodes-before.sh sets
OnDelete and an annotation with what was there, nodes-after.sh restarts the speakers in rounds and sets it again.

The way back: rollback.sh, which stops where your earlier kustomization is due; then rollback.sh again. To look first:
kubectl diff -k <your kustomization>.
"""
