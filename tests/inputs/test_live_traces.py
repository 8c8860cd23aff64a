"""A live cluster is recognised by what it is, as far as the role allows to look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from optimizer.errors import InputError
from optimizer.inputs.live import read_live
from optimizer.kube.client import Api
from tests.inputs.test_traces import BGP_PEERS, LABELS, METALLB, NOT_YET, OUTDATED, custom, owned, workload
from tests.live_server import Answer, Request, Server, failure, serving
from tests.objects import SYSTEM, Object, conf, daemonset, node, peer, pod

OURS = (peer("leaf", "10.0.0.1"), conf())
MANAGER = workload("openelb-manager", SYSTEM, "Deployment")


class Strange(Server):
    """One that has other kinds as well, or does not allow to list them (`forbids`)."""

    forbids = False

    def answer(self, request: Request) -> Answer:
        group, *rest = request.path.removeprefix("/apis/").split("/")
        known = {each["apiVersion"].partition("/")[0]: each["apiVersion"].partition("/")[2] for each in self.objects}
        if group == "network.kubesphere.io" or not (rest[1:] == ["deployments"] or "." in group):
            return super().answer(request)
        self.requests.append(request)
        if self.forbids:
            return failure(403, "is forbidden")
        if group not in known:
            return Answer(404, b"404 page not found")
        if not rest:
            return Answer(200, {"kind": "APIGroup", "versions": [{"version": "v0"}, {"version": known[group]}]})
        found = [
            each
            for each in self.objects
            if each["apiVersion"] == f"{group}/{rest[0]}" and f"{each['kind'].lower()}s" == rest[1]
        ]
        if not found:
            return Answer(404, b"404 page not found")
        kind = found[0]["kind"]
        return Answer(200, {"kind": f"{kind}List", "apiVersion": f"{group}/{rest[0]}", "items": found})


@pytest.fixture
def server() -> Iterator[Strange]:
    with serving(Strange(node("n1"))) as found:
        assert isinstance(found, Strange)
        yield found


def sentence(server: Server, api: Api, *objects: Object) -> str:
    server.objects = [node("n1"), *objects]
    with pytest.raises(InputError) as caught:
        read_live(api)
    return str(caught.value).replace(f"{server.address}: ", "")


def test_a_daemonset_of_any_name_is_found(server: Server, api: Api) -> None:
    speaker = pod("s", "n1", namespace="lb", owner="a", labels={"x": "a"})
    server.objects += [*OURS, workload("a", labels=LABELS), workload("b"), speaker]
    live = read_live(api)
    assert live.daemonset is not None
    assert (live.daemonset["metadata"]["name"], live.cluster.today.speakers) == ("a", ("n1",))
    assert not [each for each in server.requests if "metallb" in each.path or "deployments" in each.path]


def test_what_cannot_be_placed_is_named(server: Strange, api: Api) -> None:
    metallb = "found 2 metallb.io BGPPeers (such as metallb-system/tor-a)"
    by_label = f"DaemonSet metallb-system/speaker (by its labels): MetalLB is {NOT_YET}"
    assert sentence(server, api, *BGP_PEERS) == f"{metallb}: MetalLB is {NOT_YET}"
    assert sentence(server, api, METALLB, *BGP_PEERS) == f"{metallb} and {by_label}"
    cilium = custom("CiliumBGPClusterConfig", "cilium.io", "c", version="v2alpha1")
    assert sentence(server, api, cilium) == f"found 1 cilium.io CiliumBGPClusterConfig (c): Cilium is {NOT_YET}"
    assert sentence(server, api, *OURS, MANAGER) == f"Deployment {SYSTEM}/openelb-manager {OUTDATED}"
    server.forbids = True
    # A DaemonSet, and pods, may be listed all the same.
    assert sentence(server, api, METALLB, *BGP_PEERS) == f"found {by_label}"
    one = owned("a", "openelb-manager-7d", {"app": "openelb-manager"})
    assert sentence(server, api, *OURS, MANAGER, one) == f"Pod {SYSTEM}/a {OUTDATED}"


def test_what_may_not_be_looked_for_is_taken_for_absent(server: Strange, api: Api) -> None:
    server.forbids = True
    server.objects += BGP_PEERS
    assert [each.rule for each in read_live(api).cluster.warnings][:2] == ["product-assumed", "no-speaker-daemonset"]


def test_other_speakers_are_reported(server: Server, api: Api) -> None:
    server.objects += [*OURS, daemonset(), METALLB]
    assert "other-speakers" in [each.rule for each in read_live(api).cluster.warnings]


def test_a_daemonset_of_another_product_cannot_be_named(server: Server, api: Api) -> None:
    server.objects += [*OURS, METALLB]
    with pytest.raises(InputError, match=r"is that of MetalLB, by its labels, and not of OpenELB"):
        read_live(api, "metallb-system/speaker")
