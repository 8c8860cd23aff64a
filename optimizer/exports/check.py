"""What an export says is carried out on the input objects in memory and must give exactly the placement.

The text of the files is read back, not the plan that they were made from: a slip in writing them is found as well.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from ..errors import InternalError
from ..kube.changes import Objects, find, key_of, with_label, with_taint
from ..kube.patches import EMPTY, json_patch, merge
from ..model import Taint
from ..plan.check import check_steps, violations_of
from ..plan.plan import Plan
from ..plan.template import pod_spec
from ..speakers import kinds_of


def check_export(plan: Plan, files: Mapping[str, str]) -> None:
    """Raise InternalError unless the files, of whichever format, lead to exactly the placement."""
    check_steps(plan)
    objects = dict(plan.objects)
    if "values.yaml" in files:
        run_script(plan, objects, files, "before.sh")
        apply_values(plan, objects, files)
        run_script(plan, objects, files, "after.sh")
    elif "component/kustomization.yaml" in files:
        run_script(plan, objects, files, "nodes-before.sh")
        for folder in ("component-transition/", "component/"):
            # The transition, where there is one, comes before the scripts' end; the component says all anew.
            if f"{folder}kustomization.yaml" in files:
                apply_component(plan, objects, files, folder)
        run_script(plan, objects, files, "nodes-after.sh")
    else:
        run_script(plan, objects, files, "apply.sh")
    violations = violations_of(plan, objects)
    if violations:
        raise InternalError(f"the export fails its own check: {'; '.join(violations[:3])}")
    check_rollback(plan, objects, files)


def check_rollback(plan: Plan, objects: Objects, files: Mapping[str, str]) -> None:
    """Raise InternalError unless rollback.sh leads back to exactly today's objects.

    What another tool has made is taken back by that tool: the template, and with Kustomize the peer objects that stay.
    """
    if "apply.sh" not in files and plan.daemonset is not None:
        key = plan.daemonset_key
        spec = {**objects[key]["spec"], "template": plan.daemonset["spec"]["template"]}
        objects[key] = {**objects[key], "spec": spec}
    if "component/kustomization.yaml" in files:
        for name in plan.peers.names.values():
            peer = (plan.product.kinds[0].name, "", name)
            objects.pop(peer, None)
            if peer in plan.objects:
                objects[peer] = plan.objects[peer]
    run_script(plan, objects, files, "rollback.sh")
    for each in sorted({*objects, *plan.objects}):
        if settled(objects.get(each)) != settled(plan.objects.get(each)):
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


def run_script(plan: Plan, objects: Objects, files: Mapping[str, str], script: str) -> None:
    """Carry out the functions that a script calls; those that wait or print change nothing."""
    kinds = {kind.resource: kind.name for kind in kinds_of(plan.product).values()}
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
                key3 = (kinds[resource], "".join(namespace[1:]), name)
                objects[key3] = json_patch(find(objects, key3), yaml.safe_load(files[file]))
            case ["patch_merge", file, resource, name, *namespace]:
                key3 = (kinds[resource], "".join(namespace[1:]), name)
                objects[key3] = merge(find(objects, key3), yaml.safe_load(files[file]))
            case ["delete", _, _, resource, name, *_]:
                objects.pop((kinds[resource], "", name), None)


def names(files: Mapping[str, str], file: str) -> list[str]:
    """The node names listed in a file."""
    return [line for line in files[file].splitlines() if not line.startswith("#")]


def apply_values(plan: Plan, objects: Objects, files: Mapping[str, str]) -> None:
    """The DaemonSet as the product's chart renders it with these values over today's."""
    key = plan.daemonset_key
    today = plan.objects[key]
    values: Mapping[str, Any] = yaml.safe_load(files["values.yaml"])[plan.product.helm_values]
    template = {**today["spec"]["template"], "spec": {**pod_spec(today), **values}}
    objects[key] = {**today, "spec": {**today["spec"], "template": template}}


def apply_component(plan: Plan, objects: Objects, files: Mapping[str, str], folder: str) -> None:
    """The objects as Kustomize renders them with the component: JSON patches, merge patches, resources, deletions."""
    index = yaml.safe_load(files[f"{folder}kustomization.yaml"])
    targets = {f"{folder}{each['path']}": each["target"]["name"].replace("\\", "") for each in index["patches"]}
    for file, text in files.items():
        if not file.startswith(folder) or file.endswith("kustomization.yaml"):
            continue
        found = yaml.safe_load(text)
        if isinstance(found, list):
            key = (plan.product.kinds[0].name, "", targets[file])
            objects[key] = json_patch(objects[key], found)
        elif found["kind"] == "DaemonSet":
            key = plan.daemonset_key
            objects[key] = merge(objects[key], found)
        elif found.get("$patch") == "delete":
            objects.pop(key_of(found), None)
        else:
            objects[key_of(found)] = found
