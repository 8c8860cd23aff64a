"""A live cluster is read as a dump of it would be, without listing all pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from optimizer.errors import InputError, MissingError, RefusedError
from optimizer.inputs.live import Live, loads_of, read_live, with_room
from optimizer.inputs.pods import Load
from optimizer.kube.client import Api
from optimizer.model import Cluster, Resources
from tests.live_server import Answer, Server, failure, serving
from tests.objects import SPEAKER, SYSTEM, Object, conf, daemonset, node, peer, pod, read, speaker_pod

ROOM = {"cpu": "4", "memory": "8Gi", "pods": "110"}
LABELS = {"app": "openelb", "component": "speaker"}
RBAC = Path(__file__).parents[2] / "examples" / "live" / "rbac.yaml"


NOTHING = Live(Cluster(()), None)


def objects() -> list[Object]:
    """Three nodes, two speakers, pods of others, one BgpPeer."""
    return [
        daemonset(),
        daemonset("other", "kube-system"),
        speaker_pod("n1", labels=LABELS),
        speaker_pod("n2", labels=LABELS),
        pod("app", "n1", requests={"cpu": "1"}),
        pod("look-alike", "n3", namespace=SYSTEM, owner="other", labels=LABELS, requests={"cpu": "2"}),
        *(node(f"n{i}", {"rack": "r1"}, allocatable=ROOM) for i in (1, 2, 3)),
        peer("leaf", "10.0.0.1", {"matchLabels": {"rack": "r1"}}),
        conf(asPerRack={"r1": 65001}),
    ]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(*objects(), most=2)) as found:
        yield found


def bare(cluster: Cluster) -> Cluster:
    """The cluster without what other pods request."""
    return replace(cluster, nodes=tuple(replace(each, requested=Resources()) for each in cluster.nodes))


def test_a_live_cluster_is_what_a_dump_gives_without_the_room(api: Api, tmp_path: Path) -> None:
    live = read_live(api)
    assert live.cluster == bare(read(tmp_path, *objects()))
    assert live.cluster.today.speakers == ("n1", "n2")
    assert live.cluster.warnings == ()


def test_no_list_of_all_pods_is_asked_for(server: Server, api: Api) -> None:
    read_live(api)
    loads_of(api, ["n1", "n3"], NOTHING)
    for request in server.asked("pods"):
        spaced = f"/namespaces/{SYSTEM}/" in request.path and request.query["labelSelector"]
        assert spaced or "spec.nodeName=" in request.query["fieldSelector"]


def test_pods_that_leave_have_ended_or_wait_do_not_run(server: Server, api: Api) -> None:
    running, leaving, ended, waiting = (speaker_pod(f"n{i}", labels=LABELS) for i in (1, 2, 3, 4))
    leaving["metadata"]["deletionTimestamp"] = "2024-05-01T10:00:00Z"
    ended["status"]["phase"] = "Failed"
    waiting["spec"]["nodeName"] = None
    server.objects = [each for each in server.objects if each["kind"] != "Pod"] + [running, leaving, ended, waiting]
    live = read_live(api)
    assert live.cluster.today.speakers == ("n1",)


def test_the_daemonset_is_whole(server: Server, api: Api) -> None:
    by_kind = {each["kind"]: each for each in reversed(server.objects)}
    by_kind["DaemonSet"]["status"] = {"observedGeneration": 3}
    live = read_live(api, f"{SYSTEM}/{SPEAKER}")
    assert live.daemonset == by_kind["DaemonSet"]
    assert server.asked("daemonsets")[0].path == f"/apis/apps/v1/namespaces/{SYSTEM}/daemonsets"


def test_room_is_looked_up_for_single_nodes(api: Api) -> None:
    live = read_live(api)
    found = loads_of(api, ["n3", "n1", "n2"], live)
    assert found == {"n1": Load(Resources(1000, 0, 1)), "n2": Load(), "n3": Load(Resources(2000, 0, 1))}


def test_host_ports_are_looked_up_with_the_room(server: Server, api: Api) -> None:
    port = [{"containerPort": 50051}]
    for each in server.objects:
        if each["kind"] == "DaemonSet" and each["metadata"]["name"] == SPEAKER:
            each["spec"]["template"]["spec"]["containers"][0]["ports"] = port
    server.objects.append(pod("proxy", "n3", containers=[{"name": "c", "ports": port}], hostNetwork=True))
    live = read_live(api)
    assert loads_of(api, ["n1", "n3"], live)["n3"] == Load(Resources(2000, 0, 2), ("TCP 50051",))
    assert [each.taken for each in with_room(api, live.cluster, ["n1", "n3"], live).nodes] == [(), (), ("TCP 50051",)]


def test_resizes_and_troubles_are_read_live_as_from_a_dump(server: Server, api: Api, tmp_path: Path) -> None:
    resized = pod("resized", "n3", requests={"cpu": "3"})
    resized["status"] |= {
        "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}],
        "containerStatuses": [{"name": "main", "allocatedResources": {"cpu": "1"}}],
    }
    pressed = node("n4", {"type": "virtual-kubelet"})
    pressed["status"]["conditions"].append({"type": "PIDPressure", "status": "True"})
    server.objects += [resized, pressed]
    live, dump = read_live(api), read(tmp_path, *server.objects)
    assert with_room(api, live.cluster, ["n1", "n2", "n3", "n4"], live).nodes == dump.nodes
    assert (dump.nodes[2].requested.cpu, dump.nodes[3].troubles) == (3000, ("under PIDPressure", "virtual"))


def test_pods_that_ended_request_nothing(server: Server, api: Api) -> None:
    server.objects += [pod(phase, "n2", phase=phase, requests={"cpu": "1"}) for phase in ("Succeeded", "Failed")]
    assert loads_of(api, ["n2"], NOTHING) == {"n2": Load()}


def live_of(server: Server, api: Api, *changed: Object, without: str = "") -> Live:
    server.objects = [each for each in server.objects if each["kind"] != without] + list(changed)
    return read_live(api)


def test_without_speakers_pods_none_runs_and_nothing_is_guessed(server: Server, api: Api) -> None:
    live = live_of(server, api, without="Pod")
    assert (live.cluster.today.speakers, live.cluster.warnings) == ((), ())


def test_a_pod_whose_node_is_gone_runs_no_more(server: Server, api: Api) -> None:
    live = live_of(server, api, speaker_pod("gone", labels=LABELS))
    assert live.cluster.today.speakers == ("n1", "n2")
    assert tuple(map(str, live.cluster.warnings)) == (
        "1 node of speakers is gone, such as gone: these speakers are assumed not to run",
    )


def test_without_openelb_there_are_no_peers(server: Server, api: Api) -> None:
    server.openelb = False
    live = live_of(server, api, without="DaemonSet")
    assert (live.daemonset, live.cluster.peers, live.cluster.speaker) == (None, (), None)
    assumed, missing, *_ = map(str, live.cluster.warnings)
    assert assumed.startswith("nothing in the cluster says which product the speakers belong to: OpenELB is assumed")
    assert missing.startswith("no speaker DaemonSet in the input")


def test_another_version_of_openelb_is_refused(server: Server, api: Api) -> None:
    server.openelb = False
    group = Answer(200, {"kind": "APIGroup", "versions": [{"version": "v1alpha1"}]})
    server.ordered.extend([*[None] * 6, group])
    with pytest.raises(InputError, match=r"apiVersion network.kubesphere.io/v1alpha1 of BgpPeer is not .*/v1alpha2"):
        read_live(api)


def test_a_daemonset_that_is_not_there(server: Server, api: Api) -> None:
    with pytest.raises(InputError) as caught:
        read_live(api, "nowhere/speaker")
    assert str(caught.value) == f"{server.address} has no DaemonSet nowhere/speaker"
    server.objects.append(daemonset(SPEAKER, "second"))
    with pytest.raises(InputError, match=f"several DaemonSets may be .* second/{SPEAKER} by its labels"):
        read_live(api)
    with pytest.raises(InputError, match=f"several DaemonSets are named {SPEAKER} "):
        read_live(api, SPEAKER)


def test_what_is_wrong_names_server_object_and_field(server: Server, api: Api) -> None:
    server.objects.append(node("odd", allocatable={"cpu": "x"}))
    with pytest.raises(InputError) as caught:
        read_live(api)
    place = f"{server.address}: Node odd: status.allocatable"
    assert str(caught.value) == f"{place}: cpu: 'x' is not a Kubernetes quantity (such as 100m, 1.5, 4Gi, 4e9)"


def test_a_cluster_without_nodes_and_one_that_allows_nothing(server: Server, api: Api) -> None:
    with pytest.raises(InputError, match="the cluster has no nodes"):
        live_of(server, api, without="Node")
    server.ordered.append(failure(403, "daemonsets.apps is forbidden"))
    with pytest.raises(RefusedError, match="a role that allows to list daemonsets is missing"):
        read_live(api)
    server.ordered.append(Answer(404, b"404 page not found"))
    with pytest.raises(MissingError, match="cannot list all daemonsets"):
        read_live(api)


def test_the_reader_s_role_allows_what_is_asked_for_and_no_more(server: Server, api: Api) -> None:
    read_live(api)
    loads_of(api, ["n1"], NOTHING)
    documents: list[Any] = list(yaml.safe_load_all(RBAC.read_text()))
    roles = {each["metadata"]["name"]: each for each in documents if each["kind"] == "ClusterRole"}
    allowed = {
        (verb, group, resource)
        for rule in roles["bgp-speakers-reader"]["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    asked = set()
    for request in server.requests:
        parts = request.path.split("/")
        asked.add(("list", "" if parts[1] == "api" else parts[2], parts[-1]))
    assert asked == allowed
