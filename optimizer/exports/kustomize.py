"""The plan as a Kustomize component, with scripts for the nodes, which no kustomization should hold.

A component replaces the one of an earlier export, so it says all that is wished, not only what changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..kube.changes import Change, Create, Delete, Objects, Patch, key_of
from ..kube.patches import EMPTY
from ..plan.plan import Case
from ..plan.template import pod_spec
from .kubectl import STYLE_FIELDS, is_template, split_files
from .script import commented, document

COMPONENT = """Where the BGP speakers run and with whom they peer; list this folder among the components
of a kustomization that has the DaemonSet and the BgpPeers among its resources."""


def kustomize_files(case: Case) -> tuple[dict[str, str], str]:
    """The files, and what README.txt says of them."""
    deleted = {change.name for step in case.steps for change in step.changes if isinstance(change, Delete)}

    def in_component(change: Change) -> bool:
        """BgpPeers that are to go are led away and deleted by the scripts, in time before and after the component."""
        if isinstance(change, Patch):
            return is_template(change) or (change.kind == "BgpPeer" and change.name not in deleted)
        created = case.peers.names.values()
        if isinstance(change, Create):
            return change.manifest["metadata"]["name"] in created
        return isinstance(change, Delete) and change.name in created

    scripts, between = split_files(
        case,
        in_component,
        "nodes-",
        "The DaemonSet is not as the component asks: apply your kustomization with it, then run this script again.",
        "The DaemonSet is not as it was: apply your earlier kustomization, then run this script again.",
    )
    after = case.after
    files = {**scripts, **component(case, after, deleted, "component/")}
    names = {("BgpPeer", "", name) for name in case.peers.names.values()}
    if all(between.get(key) == after.get(key) for key in names):
        return files, README
    return {**files, **component(case, between, deleted, "component-transition/")}, TRANSITION


def component(case: Case, objects: Objects, deleted: set[str], folder: str) -> dict[str, str]:
    """A component that gives the DaemonSet and the BgpPeers of `objects`."""
    key = key_of(case.daemonset)
    today, wished = pod_spec(case.daemonset), pod_spec(objects[key])
    fields = [
        name
        for name in ("nodeSelector", "affinity", "tolerations")
        if name in STYLE_FIELDS[case.style] or today.get(name) != wished.get(name)
    ]
    patch = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": key[2]},
        "spec": {"template": {"spec": {name: overlay(today.get(name), wished.get(name)) for name in fields}}},
    }
    files = {"daemonset.yaml": document(f"where DaemonSet {key[2]} runs its pods", patch)}
    resources, patches = [], [("daemonset.yaml", "apps", "v1", "DaemonSet", key[2])]
    kind = case.product.kinds[0]
    for number, name in enumerate(sorted({*case.peers.names.values(), *deleted}), 1):
        # A name of its own for each: those of over 200 characters are cut and numbered.
        file = f"bgppeer-{name if len(name) <= 200 else f'{name[:200]}-{number}'}.yaml"
        found = objects.get(("BgpPeer", "", name))
        if name in deleted:
            gone = {
                "apiVersion": kind.api_version,
                "kind": "BgpPeer",
                "metadata": {"name": name},
                "$patch": "delete",
            }
            files[file] = document(f"BgpPeer {name} is left out: another one has its address", gone)
        elif found is None:
            continue
        elif case.product.removable(found):
            files[file] = document(f"BgpPeer {name}, which no router had before", found)
            resources.append(file)
            continue
        elif selector_of(found) or selector_of(case.objects["BgpPeer", "", name]):
            # `add` replaces what is there; {} selects every node, as an absent selector does.
            selector = [{"op": "add", "path": "/spec/nodeSelector", "value": selector_of(found)}]
            files[file] = document(f"the speakers that BgpPeer {name} peers with", selector)
        if file in files:
            patches.append((file, kind.group, kind.version, kind.name, name))
    lines = ["apiVersion: kustomize.config.k8s.io/v1alpha1", "kind: Component"]
    lines += ["resources:", *(f"- {json.dumps(file)}" for file in resources)] if resources else []
    lines.append("patches:")
    for file, *target in patches:
        # Kustomize takes the name for a regular expression.
        values = zip(("group", "version", "kind", "name"), (*target[:3], target[3].replace(".", "\\.")), strict=True)
        lines += [
            f"- path: {json.dumps(file)}",
            "  target:",
            *(f"    {key}: {json.dumps(value)}" for key, value in values),
        ]
    files["kustomization.yaml"] = commented(COMPONENT, "\n".join(lines))
    return {folder + name: text for name, text in files.items()}


def selector_of(peer: Mapping[str, Any]) -> Any:
    """A BgpPeer's selector, {} where it has none."""
    return peer["spec"].get("nodeSelector") or {}


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
   and the BgpPeers (all but those that component/ itself has as resources)
3. nodes-after.sh    waits until the new speakers run and their sessions are established, restarts those that stay
                     where the template has changed, then removes the labels that are no longer needed

The kustomization must not set spec.updateStrategy of the DaemonSet, or say OnDelete until nodes-after.sh is done: an
edit of the template under RollingUpdate would restart speakers without a look at their sessions. nodes-before.sh sets
OnDelete and an annotation with what was there, nodes-after.sh restarts the speakers in rounds and sets it again.

The way back: rollback.sh, which stops where your earlier kustomization is due; then rollback.sh again. The scripts
need kubectl alone and can be run again; functions.sh names the settings that they take from the environment.
"""

TRANSITION = """Kustomize

1. nodes-before.sh   labels the nodes of the new speakers and, for now, of those that leave
2. apply your kustomization with component-transition/ among its components: it lets new sessions open and closes
   none; the kustomization must hold, as resources, the speaker DaemonSet and the BgpPeers (all but those that the
   component itself has as resources)
3. nodes-after.sh    waits until the new speakers run and their sessions are established, restarts those that stay
                     where the template has changed, then removes the labels that are no longer needed
4. apply your kustomization with component/ in the place of component-transition/, which closes the sessions that are
   no longer needed

The kustomization must not set spec.updateStrategy of the DaemonSet, or say OnDelete until nodes-after.sh is done: an
edit of the template under RollingUpdate would restart speakers without a look at their sessions. nodes-before.sh sets
OnDelete and an annotation with what was there, nodes-after.sh restarts the speakers in rounds and sets it again.

The way back: rollback.sh, which stops where your earlier kustomization is due; then rollback.sh again. The scripts
need kubectl alone and can be run again; functions.sh names the settings that they take from the environment.
"""
