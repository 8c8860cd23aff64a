"""The DaemonSet's pod template in each style: what an export adds to it, and what an earlier one has left in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..kube.changes import Change, Patch
from ..kube.patches import EMPTY, edit

Style = Literal["node-selector", "affinity", "taints"]
STYLES: tuple[Style, ...] = ("node-selector", "affinity", "taints")

STYLE_FIELDS: Mapping[Style, tuple[str, ...]] = {
    "node-selector": ("nodeSelector",),
    "affinity": ("affinity",),
    "taints": ("nodeSelector", "tolerations"),
}
"""The fields of the pod spec that each style is made of."""

POD_SPEC = "/spec/template/spec"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def pod_spec(daemonset: Mapping[str, Any]) -> dict[str, Any]:
    """The pod spec of a DaemonSet's template."""
    spec: dict[str, Any] = daemonset["spec"]["template"]["spec"]
    return spec


def edits_template(change: Change) -> bool:
    """Whether a change is an edit of a DaemonSet's template."""
    if not isinstance(change, Patch) or change.kind != "DaemonSet":
        return False
    if change.type == "merge":
        return "template" in change.body.get("spec", {})
    return any(operation["path"].startswith(POD_SPEC) for operation in change.body)


def style_fields(style: Style, today: Mapping[str, Any], wished: Mapping[str, Any]) -> list[str]:
    """The fields of the pod spec that a style is made of, and those that it changes, in a fixed order."""
    fields = ("nodeSelector", "affinity", "tolerations")
    return [name for name in fields if name in STYLE_FIELDS[style] or today.get(name) != wished.get(name)]


def template_change(daemonset: Mapping[str, Any], label: tuple[str, str], style: Style) -> tuple[Patch, ...]:
    """The one patch of the DaemonSet's template, if any: two patches would restart every speaker twice.

    A node selector alone is a merge patch by key. With affinity or tolerations it is a JSON patch, which replaces
    these lists as a whole and fails where somebody else has edited them meanwhile.
    """
    old, new = pod_spec(daemonset), wished_pod_spec(pod_spec(daemonset), label, style)
    operations = edit(POD_SPEC, old, new)
    if not operations:
        return ()
    metadata = daemonset["metadata"]
    place = ("DaemonSet", metadata.get("namespace", ""), metadata["name"])
    if all(operation["path"].startswith(f"{POD_SPEC}/nodeSelector") for operation in operations):
        selector = {label[0]: (new.get("nodeSelector") or {}).get(label[0])}
        return (Patch(*place, "merge", {"spec": {"template": {"spec": {"nodeSelector": selector}}}}),)
    return (Patch(*place, "json", operations),)


def wished_pod_spec(pod: Mapping[str, Any], label: tuple[str, str], style: Style) -> dict[str, Any]:
    """The pod spec in the given style: other keys, terms and tolerations stay, what another style left goes."""
    key, value = label
    selector = {name: old for name, old in (pod.get("nodeSelector") or {}).items() if name != key}
    if style != "affinity":
        selector[key] = value
    tolerations = [old for old in pod.get("tolerations") or () if not is_ours(old, key, value)]
    ours = len(pod.get("tolerations") or ()) - len(tolerations)
    if style == "taints":
        # One that is there already stays in its place, so that the list does not change.
        mine = {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
        tolerations = list(pod["tolerations"]) if ours else [*tolerations, mine]
    affinity = pod.get("affinity") or {}
    exactly = key in (pod.get("nodeSelector") or {})  # what goes with the node selector, the affinity is to ask for
    if style == "affinity":
        affinity = with_requirement(affinity, key, value, exactly)
    else:
        affinity = without_requirement(affinity, key)
    wished = dict(pod)
    for name, new in (("nodeSelector", selector), ("affinity", affinity), ("tolerations", tolerations)):
        if new or pod.get(name) not in EMPTY:
            wished[name] = new
    return wished


def is_ours(toleration: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether a toleration is the one that the taints style writes."""
    shown = (toleration.get("key"), toleration.get("operator") or "Equal", toleration.get("value") or "")
    return shown == (key, "Equal", value) and toleration.get("effect") == "NoSchedule"


def terms_of(affinity: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The required node selector terms of an affinity, those left out that match nothing."""
    required = (affinity.get("nodeAffinity") or {}).get(REQUIRED) or {}
    return [term for term in required.get("nodeSelectorTerms") or () if any(term.values())]


def is_requirement(requirement: Mapping[str, Any], key: str) -> bool:
    """Whether a requirement is one that the affinity style writes, maybe for an earlier value of the label."""
    values = requirement.get("values") or ()
    return requirement["key"] == key and requirement["operator"] == "In" and len(values) == 1


def demands(term: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether a term asks for our label: nodes with it match, and nodes without the key do not.

    >>> demands({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a", "b")
    True
    """
    return any(part["key"] == key and admits(part, value) for part in term.get("matchExpressions") or ())


def admits(requirement: Mapping[str, Any], value: str | None) -> bool:
    """Whether a requirement is for a node that has its label, and this value of it meets it."""
    if value is None or requirement["operator"] not in ("In", "Exists"):
        return False
    return requirement["operator"] == "Exists" or value in (requirement.get("values") or ())


def restricts(pod: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether the pod spec lets speakers run only on nodes with our label, be it of whatever value."""
    terms = terms_of(pod.get("affinity") or {})
    return (pod.get("nodeSelector") or {}).get(key) == value or (
        bool(terms) and all(demands(term, key, value) for term in terms)
    )


def marks(pod: Mapping[str, Any], key: str, value: str) -> Callable[[Mapping[str, str]], bool]:
    """Whether labels of a node mark it for a speaker: by our label, or by another value of it that the affinity takes
    as well, such as one that asks for no more than the key.

    Where the node selector asks for our value, or a term of the affinity for no value, another one marks nothing: it
    may be somebody's pool.
    """
    terms = terms_of(pod.get("affinity") or {})
    asked = [[part for part in term.get("matchExpressions") or () if part["key"] == key] for term in terms]
    if key in (pod.get("nodeSelector") or {}) or not all(asked):
        asked = []

    def marked(labels: Mapping[str, str]) -> bool:
        now = labels.get(key)
        return now is not None and (now == value or any(all(admits(part, now) for part in parts) for parts in asked))

    return marked


def foreign_demand(pod: Mapping[str, Any], key: str, value: str) -> str:
    """What the pod spec asks the key of our label for, if our value does not meet it; else ""."""
    asked = (pod.get("nodeSelector") or {}).get(key, value)
    if asked != value:
        return f"the node label {key}={asked}"
    for term in terms_of(pod.get("affinity") or {}):
        for part in term.get("matchExpressions") or ():
            if part["key"] == key and not admits(part, value):
                return f"the node label {key} {part['operator']} {', '.join(part.get('values') or ())}".rstrip()
    return ""


def with_requirement(affinity: Mapping[str, Any], key: str, value: str, exactly: bool = False) -> dict[str, Any]:
    """The affinity with our requirement in every term that can match, or in a new one where there is no term.

    A term that asks for our label among others is left as it is, unless it is to ask for it `exactly`.
    """
    required = (affinity.get("nodeAffinity") or {}).get(REQUIRED) or {}
    ours = {"key": key, "operator": "In", "values": [value]}
    terms = []
    for term in required.get("nodeSelectorTerms") or ():
        others = [part for part in term.get("matchExpressions") or () if not is_requirement(part, key)]
        # An empty term matches nothing; our requirement alone would make it match.
        enough = ours in (term.get("matchExpressions") or ()) if exactly else demands(term, key, value)
        kept = enough or not any(term.values())
        terms.append(term if kept else {**term, "matchExpressions": [*others, ours]})
    return with_terms(affinity, terms or [{"matchExpressions": [ours]}])


def without_requirement(affinity: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The affinity without our requirement, which an export of ours puts in every term or in none.

    Where a term asks for nothing else, the terms together asked for nothing but the label, so all of them go.
    """
    rest = []
    for term in terms_of(affinity):
        others = [part for part in term.get("matchExpressions") or () if not is_requirement(part, key)]
        if len(others) == len(term.get("matchExpressions") or ()):
            return dict(affinity)
        bare = {name: part for name, part in term.items() if name != "matchExpressions"}
        rest.append({**bare, "matchExpressions": others} if others else bare)
    if not rest:
        return dict(affinity)
    return with_terms(affinity, rest if all(any(term.values()) for term in rest) else [])


def with_terms(affinity: Mapping[str, Any], terms: list[Any]) -> dict[str, Any]:
    """The affinity with these required terms; maps that get empty are left out."""
    result, inner = dict(affinity), dict(affinity.get("nodeAffinity") or {})
    inner.pop(REQUIRED, None)
    if terms:
        inner[REQUIRED] = {"nodeSelectorTerms": terms}
    result.pop("nodeAffinity", None)
    if inner:
        result["nodeAffinity"] = inner
    return result
