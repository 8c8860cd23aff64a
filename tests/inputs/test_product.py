"""Which product the speakers belong to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner
from msgspec import json

from optimizer.cli.main import main
from optimizer.errors import InputError
from optimizer.findings import Finding
from optimizer.inputs.cluster import read_cluster
from optimizer.inputs.placement import placement_to_json
from optimizer.inputs.topology import Topology
from optimizer.model import Placement, Policy, Survive
from optimizer.speakers import NAMES, PRODUCTS, choose_product, product_named
from optimizer.speakers.product import Product
from tests.objects import Object, daemonset, node, peer

TOPOLOGY = {"attachments": [["n1", "leaf"], ["n2", "leaf"]]}


def dump(folder: Path, *objects: Object) -> str:
    path = folder / "cluster.json"
    path.write_bytes(json.encode({"apiVersion": "v1", "kind": "List", "items": [*objects]}))
    return str(path)


def assumed(warnings: Iterable[Finding]) -> list[str]:
    return [each.sentence for each in warnings if each.rule == "product-assumed"]


def test_the_objects_say_which_product_it_is(tmp_path: Path) -> None:
    for each in (peer("leaf", "10.0.0.1"), daemonset()):
        cluster = read_cluster([dump(tmp_path, node("n1"), each)])
        assert (cluster.product, assumed(cluster.warnings)) == ("openelb", [])


def test_where_nothing_says_it_the_assumption_is_reported(tmp_path: Path) -> None:
    path = dump(tmp_path, node("n1"))
    cluster = read_cluster([path])
    (sentence,) = assumed(cluster.warnings)
    assert sentence.startswith("nothing in the input says which product the speakers belong to: OpenELB is assumed")
    assert cluster.product == "openelb"
    assert assumed(read_cluster([path], product="openelb").warnings) == []
    assert assumed(read_cluster([path], expected="openelb").warnings) == []


def test_what_is_seen_asked_and_expected_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "the placement is for metallb, which is not supported yet; supported: openelb"
    with pytest.raises(InputError, match=f"^{sentence}$"):
        choose_product(["openelb"], expected="metallb")
    with pytest.raises(InputError, match=f"^p.json: {sentence}$"):
        choose_product(["openelb"], expected="metallb", file="p.json")
    with monkeypatch.context() as patched:
        patched.setitem(cast("dict[str, Product]", PRODUCTS), "metallb", PRODUCTS["openelb"])
        sentence = "the placement is for metallb, the objects in the input are those of openelb"
        for file, place in (("", ""), ("p.json", "p.json: ")):
            with pytest.raises(InputError, match=f"^{place}{sentence}$"):
                choose_product(["openelb"], expected="metallb", file=file)
    with pytest.raises(InputError, match=r"^the placement is for metallb, and not for openelb, which --product names$"):
        choose_product([], "openelb", "metallb")
    with pytest.raises(InputError, match="the input holds objects of cilium and openelb: say with --product"):
        choose_product(["openelb", "cilium"])
    assert choose_product(["openelb", "cilium"], "openelb") == (PRODUCTS["openelb"], False)
    assert choose_product(["openelb", "cilium"], expected="openelb") == (PRODUCTS["openelb"], False)


@pytest.mark.parametrize("name", sorted({*NAMES} - PRODUCTS.keys()))
def test_a_product_that_is_known_by_name_only_is_refused(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["optimize", dump(tmp_path, node("n1")), "--product", name])
    sentence = f"bgp-speakers: the product '{name}' is not supported yet; supported: openelb\n"
    assert (result.exit_code, result.stderr) == (1, sentence)


def test_a_name_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="the product 'bird' is not known; supported: openelb"):
        product_named("bird")


def test_a_placement_keeps_its_product(tmp_path: Path) -> None:
    cluster, topology, placement = dump(tmp_path, node("n1"), node("n2")), tmp_path / "t.json", tmp_path / "p.json"
    topology.write_bytes(json.encode(TOPOLOGY))
    run = CliRunner().invoke
    made = run(main, ["optimize", cluster, "--topology", str(topology), "-o", str(placement)])
    assert made.exit_code == 0
    assert "OpenELB is assumed" in " ".join(made.stderr.split())
    data = json.decode(placement.read_bytes())
    assert data["product"] == "openelb"
    assert run(main, ["verify", str(placement), cluster]).exit_code == 0
    # A file of an earlier version does not say it; a file for another product is refused.
    for product, code in ((None, 0), ("metallb", 1)):
        placement.write_bytes(json.encode({**data, "product": product} if product else without(data, "product")))
        assert run(main, ["verify", str(placement), cluster]).exit_code == code


def without(data: Object, key: str) -> Object:
    return {name: value for name, value in data.items() if name != key}


def test_a_product_that_is_not_supported_yet_is_the_first_thing_to_be_said() -> None:
    for command in ("optimize", "verify", "export", "plan", "apply"):
        result = CliRunner().invoke(main, [command, "--product", "metallb"])
        sentence = "bgp-speakers: the product 'metallb' is not supported yet; supported: openelb\n"
        assert (result.exit_code, result.stderr) == (1, sentence)


def test_a_placement_for_a_product_that_is_not_supported_is_noticed_before_anything_else_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    path = tmp_path / "p.json"
    for product, asked, sentence in (
        ("cilium", [], "the placement is for cilium, which is not supported yet; supported: openelb"),
        ("cilium", ["--product", "openelb"], "the placement is for cilium, and not for openelb, which --product names"),
        ("bird", [], "the placement is for bird, which is not known; supported: openelb"),
    ):
        path.write_bytes(placement_to_json(Placement("optimal", product=product), Policy(), Topology()))
        for command in (["verify", "none"], ["export", "none", "-o", "out"], ["plan"], ["apply", "--yes"]):
            result = CliRunner().invoke(main, [command[0], str(path), *command[1:], *asked])
            assert (result.exit_code, result.stderr) == (1, f"bgp-speakers: {path}: {sentence}\n")


def test_a_sentence_about_failure_domains_names_its_file(tmp_path: Path) -> None:
    given = dump(tmp_path, node("n1"), peer("leaf", "10.0.0.1"))
    policy, topology = tmp_path / "policy.yaml", tmp_path / "topology.yaml"
    policy.write_text("survive: [{kind: rack}]\n")
    topology.write_text("routersFromLabel: rack\n")
    for arguments, start in (
        (["--policy", str(policy)], f"{policy}: survive: 'rack' is no declared kind"),
        (["--policy", str(policy), "--survive", "zone"], "options: survive: zone: no node carries the label"),
        (["--topology", str(topology)], f"{topology}: routersFromLabel: no node carries the label rack"),
    ):
        result = CliRunner().invoke(main, ["optimize", given, *arguments])
        assert result.exit_code == 1
        assert result.stderr.startswith(f"bgp-speakers: {start}")
    path = tmp_path / "p.json"
    asked = Policy(survive=(Survive("rack"),))
    path.write_bytes(placement_to_json(Placement("optimal"), asked, Topology()))
    result = CliRunner().invoke(main, ["verify", str(path), given])
    assert result.stderr.startswith(f"bgp-speakers: {path}: policy: survive: 'rack' is no declared kind")
