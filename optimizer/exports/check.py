"""What an export says is carried out on the input objects in memory and must give exactly the placement.

The text of the files is read back, not the plan that they were made from: a slip in writing them is found as well.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from ..checks.manifests import check_manifests
from ..errors import InternalError
from ..kube.changes import Objects, find, key_of, with_label, with_taint
from ..kube.patches import EMPTY, json_patch, merge
from ..model import Taint
from ..plan.check import check_steps
from ..plan.plan import Case
from ..plan.template import pod_spec

KINDS = {"bgppeers.network.kubesphere.io": "BgpPeer", "daemonsets.apps": "DaemonSet"}


def check_export(case: Case, files: Mapping[str, str]) -> None:
    """Raise InternalError unless the files, of whichever format, lead to exactly the placement."""
    check_steps(case)
    objects = dict(case.objects)
    if "values.yaml" in files:
        run_script(objects, files, "before.sh")
        apply_values(case, objects, files)
        run_script(objects, files, "after.sh")
    elif "component/kustomization.yaml" in files:
        run_script(objects, files, "nodes-before.sh")
        for folder in ("component-transition/", "component/"):
            # The transition, where there is one, comes before the scripts' end; the component says all anew.
            if f"{folder}kustomization.yaml" in files:
                apply_component(case, objects, files, folder)
        run_script(objects, files, "nodes-after.sh")
    else:
        run_script(objects, files, "apply.sh")
    violations = check_manifests(
        case.cluster,
        case.policy,
        case.placement,
        {name: found for (kind, _, name), found in objects.items() if kind == "Node"},
        find(objects, key_of(case.daemonset)),
        [found for (kind, _, _), found in sorted(objects.items()) if kind == "BgpPeer"],
    )
    if violations:
        raise InternalError(f"the export fails its own check: {'; '.join(violations[:3])}")
    check_rollback(case, objects, files)


def check_rollback(case: Case, objects: Objects, files: Mapping[str, str]) -> None:
    """Raise InternalError unless rollback.sh leads back to exactly today's objects.

    What another tool has made is taken back by that tool: the template, and with Kustomize the BgpPeers that stay.
    """
    key = key_of(case.daemonset)
    if "apply.sh" not in files:
        spec = {**objects[key]["spec"], "template": case.daemonset["spec"]["template"]}
        objects[key] = {**objects[key], "spec": spec}
    if "component/kustomization.yaml" in files:
        for name in case.peers.names.values():
            peer = ("BgpPeer", "", name)
            objects.pop(peer, None)
            if peer in case.objects:
                objects[peer] = case.objects[peer]
    run_script(objects, files, "rollback.sh")
    for each in sorted({*objects, *case.objects}):
        if settled(objects.get(each)) != settled(case.objects.get(each)):
            raise InternalError(
                f"the export fails its own check: rollback.sh does not restore {' '.join(each).strip()}"
            )


def settled(value: Any) -> Any:
    """A value without what an API server takes for absent; the order of taints means nothing."""
    if isinstance(value, Mapping):
        parts = {name: settled(part) for name, part in value.items()}
        if isinstance(parts.get("taints"), list):
            parts["taints"] = sorted(parts["taints"], key=str)
        return {name: part for name, part in parts.items() if part not in EMPTY}
    return value


def run_script(objects: Objects, files: Mapping[str, str], script: str) -> None:
    """Carry out the functions that a script calls; those that wait or print change nothing."""
    for line in files[script].splitlines():
        words = shlex.split(line, comments=True)
        match words:
            case ["label", file, change]:
                key, _, value = change.partition("=")
                for name in names(files, file):
                    objects["Node", "", name] = with_label(find(objects, ("Node", "", name)), key, value)
            case ["unlabel", file, key]:
                for name in names(files, file):
                    objects["Node", "", name] = with_label(find(objects, ("Node", "", name)), key, None)
            case ["taint" | "untaint", file, change]:
                key, _, value = change.removesuffix(":NoSchedule").partition("=")
                taint = Taint(key, "NoSchedule", value)
                for name in names(files, file):
                    node = find(objects, ("Node", "", name))
                    objects["Node", "", name] = with_taint(node, taint, words[0] == "taint")
            case ["create", file, *_]:
                created = yaml.safe_load(files[file])
                objects[key_of(created)] = created
            case ["patch_json", file, _, resource, name, *namespace]:
                key3 = (KINDS[resource], "".join(namespace[1:]), name)
                objects[key3] = json_patch(find(objects, key3), yaml.safe_load(files[file]))
            case ["patch_merge", file, resource, name, *namespace]:
                key3 = (KINDS[resource], "".join(namespace[1:]), name)
                objects[key3] = merge(find(objects, key3), yaml.safe_load(files[file]))
            case ["delete", _, _, resource, name, *_]:
                objects.pop((KINDS[resource], "", name), None)


def names(files: Mapping[str, str], file: str) -> list[str]:
    """The node names listed in a file."""
    return [line for line in files[file].splitlines() if not line.startswith("#")]


def apply_values(case: Case, objects: Objects, files: Mapping[str, str]) -> None:
    """The DaemonSet as OpenELB's chart renders it with these values over today's."""
    values: Mapping[str, Any] = yaml.safe_load(files["values.yaml"])["speaker"]
    spec = {**pod_spec(case.daemonset), **values}
    key = key_of(case.daemonset)
    template = {**case.daemonset["spec"]["template"], "spec": spec}
    objects[key] = {**case.daemonset, "spec": {**case.daemonset["spec"], "template": template}}


def apply_component(case: Case, objects: Objects, files: Mapping[str, str], folder: str) -> None:
    """The objects as Kustomize renders them with the component: JSON patches, merge patches, resources, deletions."""
    index = yaml.safe_load(files[f"{folder}kustomization.yaml"])
    targets = {f"{folder}{each['path']}": each["target"]["name"].replace("\\", "") for each in index["patches"]}
    for file, text in files.items():
        if not file.startswith(folder) or file.endswith("kustomization.yaml"):
            continue
        found = yaml.safe_load(text)
        if isinstance(found, list):
            key = ("BgpPeer", "", targets[file])
            objects[key] = json_patch(objects[key], found)
        elif found["kind"] == "DaemonSet":
            key = key_of(case.daemonset)
            objects[key] = merge(objects[key], found)
        elif found.get("$patch") == "delete":
            objects.pop(key_of(found), None)
        else:
            objects[key_of(found)] = found
