"""Exports of ten thousand speakers stay within what Kubernetes and a command line take, or say where they cannot."""

from __future__ import annotations

import json
from functools import cache

import pytest
import yaml
from msgspec.structs import replace

from optimizer.errors import OutputError
from optimizer.exports.export import FORMATS, Format, export
from optimizer.exports.helm import helm_files
from optimizer.exports.kubectl import kubectl_files
from optimizer.exports.kustomize import kustomize_files
from optimizer.exports.sizes import LARGEST, LARGEST_ANNOTATION, check_sizes
from optimizer.model import Cluster, Placement, Policy
from optimizer.plan.plan import Plan, make_plan
from optimizer.plan.template import STYLES, Style
from tests.exports.export_inputs import cluster, node, peer, placed, router

WRITERS = {"kubectl": kubectl_files, "kustomize": kustomize_files, "helm": helm_files}
LONGEST_ARGUMENT = 2**17
SELECTED = Policy(peering="selected")


def route_servers(speakers: int) -> tuple[Cluster, Placement]:
    """Three route servers, one without a BgpPeer; each peers with nearly all speakers, which only lists can tell."""
    names = [f"node-{i:06d}.dc1.example.com" for i in range(speakers + 3)]
    peers = [peer("rs-1", "10.0.0.1"), peer("rs-2", "10.0.0.2")]
    routers = [router(number, f"rs-{number}" if number < 3 else None) for number in (1, 2, 3)]
    pairs = [(name, f"leaf-{number}") for number in (1, 2, 3) for name in names[number : speakers + number - 3]]
    return cluster([node(name) for name in names], routers, peers), placed(*pairs, speakers=names[:speakers])


@cache
def prepared(style: Style) -> Plan:
    given, placement = route_servers(10_000)
    return make_plan(given, SELECTED, placement, style)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("style", STYLES)
def test_ten_thousand_speakers_fit_objects_and_command_lines(style: Style, format_: Format) -> None:
    case = prepared(style)
    files, _ = WRITERS[format_](case)
    # What kubectl apply would keep in an annotation is told; nothing else has a limit below that of an object.
    assert bool(check_sizes(case, format_ == "kustomize")) == (format_ == "kustomize")
    for (kind, _, _), found in case.after.items():
        size = len(json.dumps(found))
        assert size < LARGEST
        assert size < LARGEST_ANNOTATION or kind == "BgpPeer"
    for name, text in files.items():
        if name.endswith(".sh"):
            assert max(map(len, text.splitlines())) < LONGEST_ARGUMENT
        elif name.endswith((".yaml", ".json")):
            assert len(text.partition("[" if "[" in text else "{")[2]) < 2 * LARGEST
    assert "xargs -n 100 " in files["functions.sh"]


@pytest.mark.parametrize("style", STYLES)
def test_a_style_puts_no_name_of_a_node_into_the_daemonset(style: Style) -> None:
    case = prepared(style)
    daemonsets = [found for (kind, _, _), found in case.after.items() if kind == "DaemonSet"]
    assert daemonsets
    assert "node-0" not in json.dumps(daemonsets)


def test_where_kubectl_apply_would_keep_too_large_a_copy_it_is_told() -> None:
    assert tuple(map(str, check_sizes(prepared("affinity"), applied=True))) == (
        "3 objects, such as BgpPeer leaf-3, are larger than the 256 KiB of annotations in which kubectl apply keeps a "
        "copy: apply the kustomization with kubectl apply --server-side",
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_an_object_that_no_api_server_keeps_is_refused(format_: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    given, placement = route_servers(60)
    monkeypatch.setattr("optimizer.exports.sizes.LARGEST_ANNOTATION", 1024)
    monkeypatch.setattr("optimizer.exports.sizes.LARGEST", 1024)
    with pytest.raises(OutputError) as caught:
        export(make_plan(given, SELECTED, placement, "node-selector"), format_)
    assert str(caught.value).startswith(
        "BgpPeer leaf-3 would be 1 KiB, and Kubernetes keeps objects of at most 1 KiB: "
    )


def test_one_label_needs_no_list_however_many_the_speakers() -> None:
    given, _ = route_servers(200)
    names = [each.name for each in given.nodes]
    placement = placed(*((name, f"leaf-{number}") for number in (1, 2, 3) for name in names))
    made = export(make_plan(replace(given, peers=()), Policy(), placement, "node-selector"), "kubectl")
    created = [yaml.safe_load(text) for name, text in made.files.items() if "create-bgppeer" in name]
    assert [each["spec"].get("nodeSelector") for each in created] == [None, None, None]
