"""Who manages an object: told from what tools leave in it."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.kube.managers import MANAGERS, advice, owner_of

HELM = {"annotations": {"meta.helm.sh/release-name": "openelb", "meta.helm.sh/release-namespace": "openelb-system"}}
RELEASE = {"labels": {"helm.toolkit.fluxcd.io/name": "elb", "helm.toolkit.fluxcd.io/namespace": "flux"}}
KUSTOMIZATION = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
ARGO_LABEL = {"labels": {"argocd.argoproj.io/instance": "network"}}
ARGO_TRACKING = {"annotations": {"argocd.argoproj.io/tracking-id": "network:apps/DaemonSet:openelb-system/speaker"}}
FLEET_BUNDLE = {"labels": {"fleet.cattle.io/bundle-name": "bundle"}}
FLEET_SET = {"annotations": {"objectset.rio.cattle.io/id": "default-bundle"}}


def manifest(*parts: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A DaemonSet with these annotations and labels together."""
    made: dict[str, Any] = {"name": "speaker", "annotations": None, "labels": None} | metadata
    for part in parts:
        for place, values in part.items():
            made[place] = {**(made[place] or {}), **values}
    return {"kind": "DaemonSet", "metadata": made}


@pytest.mark.parametrize(
    ("parts", "owner"),
    [
        ([HELM], ("Helm", "openelb")),
        ([HELM, RELEASE], ("Flux (HelmRelease)", "elb")),
        ([HELM, ARGO_LABEL], ("Argo CD", "network")),
        ([HELM, FLEET_SET], ("Fleet", "default-bundle")),
        ([KUSTOMIZATION], ("Flux (Kustomization)", "apps")),
        ([ARGO_LABEL], ("Argo CD", "network")),
        ([ARGO_TRACKING], ("Argo CD", "network:apps/DaemonSet:openelb-system/speaker")),
        ([FLEET_BUNDLE], ("Fleet", "bundle")),
        ([{"labels": {"app.kubernetes.io/managed-by": "Helm"}}], ("Helm", "")),
        ([{"labels": {"app.kubernetes.io/managed-by": "bgp-speakers"}}], None),
        ([{"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}], None),
        ([], None),
    ],
)
def test_marks(parts: list[dict[str, Any]], owner: tuple[str, str] | None) -> None:
    assert owner_of(manifest(*parts)) == owner


def fields(*managers: str) -> list[dict[str, Any]]:
    return [{"manager": name, "operation": "Apply"} for name in managers]


@pytest.mark.parametrize(("manager", "tool"), MANAGERS.items())
def test_only_the_field_manager_tells(manager: str, tool: str) -> None:
    assert owner_of(manifest(managedFields=fields("kubectl", manager, "bgp-speakers"))) == (tool, "")


def test_other_managers_tell_nothing() -> None:
    managers = fields("kubectl-client-side-apply", "kube-controller-manager", "bgp-speakers", "helmet")
    assert owner_of(manifest(managedFields=managers)) is None
    assert owner_of({"kind": "DaemonSet", "metadata": {"name": "speaker"}}) is None
    assert owner_of(manifest(managedFields=[{}])) is None


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (
            [HELM],
            "is managed by Helm (openelb), which would take the change back: use `bgp-speakers export --format helm",
        ),
        ([HELM, RELEASE], "Flux (HelmRelease) (elb), which"),
        ([HELM, RELEASE], "`bgp-speakers export --format helm` and let Flux apply it"),
        ([KUSTOMIZATION], "`bgp-speakers export --format kustomize` and let Flux apply it"),
        ([ARGO_LABEL], "`bgp-speakers export --format kustomize` and let Argo apply it"),
        ([FLEET_BUNDLE], "let Fleet apply it"),
    ],
)
def test_advice_names_the_export_that_fits(parts: list[dict[str, Any]], told: str) -> None:
    sentence = advice(manifest(*parts))
    assert sentence.startswith("DaemonSet speaker is managed by ")
    assert told in sentence


def test_without_an_owner_there_is_no_advice() -> None:
    assert advice(manifest()) == ""
