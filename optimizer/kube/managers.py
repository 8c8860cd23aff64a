"""Who else manages an object: Helm or a GitOps tool would take back what is changed beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARKS = (
    ("annotations", "meta.helm.sh/release-name", "Helm"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux (HelmRelease)"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux (Kustomization)"),
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
    ("labels", "fleet.cattle.io/bundle-name", "Fleet"),
    ("annotations", "objectset.rio.cattle.io/id", "Fleet"),
)
"""Where tools leave their name: labels or annotations, the key, and the tool. The value names the release."""

MANAGERS = {
    "helm": "Helm",
    "helm-controller": "Flux (HelmRelease)",
    "kustomize-controller": "Flux (Kustomization)",
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "fleetagent": "Fleet",
}
"""The field managers under which tools write."""

FORMATS = {"Helm": "helm", "Flux (HelmRelease)": "helm"}
"""The export that fits a tool, where it is not kustomize."""


def owner_of(manifest: Mapping[str, Any]) -> tuple[str, str] | None:
    """The tool that manages an object and the name of what it comes from, empty where that is not said.

    The tool nearest to the source wins: a HelmRelease of Flux is Flux's, although Helm has written it.
    """
    metadata = manifest["metadata"]
    found = [
        (tool, (metadata.get(place) or {})[key]) for place, key, tool in MARKS if key in (metadata.get(place) or {})
    ]
    if found:
        return next((each for each in found if each[0] != "Helm"), found[0])
    if (metadata.get("labels") or {}).get("app.kubernetes.io/managed-by") == "Helm":
        return "Helm", ""
    managers = [entry.get("manager") for entry in metadata.get("managedFields") or ()]
    tool = next((MANAGERS[manager] for manager in managers if manager in MANAGERS), None)
    return (tool, "") if tool else None


def advice(manifest: Mapping[str, Any]) -> str:
    """What to do about an object that somebody else manages, in one sentence; empty where nobody does."""
    if (found := owner_of(manifest)) is None:
        return ""
    tool, source = found
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    return (
        f"{name} is managed by {tool}{f' ({source})' if source else ''}, which would take the change back: "
        f"use `bgp-speakers export --format {FORMATS.get(tool, 'kustomize')}` and let {tool.split(' ')[0]} apply it"
    )
