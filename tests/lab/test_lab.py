"""The laboratory itself: the real control plane, KWOK's kubelets, and the stand-in for the speakers."""

from __future__ import annotations

from functools import partial

import pytest

from tests.lab.client import Object
from tests.lab.cluster import ROLE_TEST, Lab
from tests.lab.crds import PEERS
from tests.lab.objects import NODES, PODS, daemonset, node, nodes, peer, rack_peer
from tests.lab.speakers import Speakers, speakers
from tests.objects import SPEAKER, SYSTEM

pytestmark = pytest.mark.lab

CHOSEN = {"bgp-speakers/speaker": "true"}
ONE, TWO = "192.168.1.1", "192.168.2.1"
FIRST, SECOND = {"r1-n1", "r1-n2", "r1-n3"}, {"r2-n1", "r2-n2", "r2-n3"}


def load(lab: Lab, *chosen: str) -> None:
    """Two racks of three nodes and a router each; speakers are wanted on the chosen nodes."""
    made = nodes(2, 3)
    for each in made:
        if each["metadata"]["name"] in chosen:
            each["metadata"]["labels"] |= CHOSEN
    lab.client.create_all([*made, daemonset(CHOSEN), rack_peer("r1", ONE), rack_peer("r2", TWO)])


def label(lab: Lab, name: str, **labels: str | None) -> None:
    lab.client.patch(f"{NODES}/{name}", {"metadata": {"labels": {f"example.com/{k}": v for k, v in labels.items()}}})


def sessions_are(lab: Lab, works: Speakers, **expected: set[str]) -> None:
    """Wait for exactly these sessions, in truth and then in the BgpPeers' status (`leaf_r1={...}`)."""
    addresses = {"leaf_r1": ONE, "leaf_r2": TWO}
    truth = {addresses[name]: frozenset(names) for name, names in expected.items() if names}
    lab.eventually(f"sessions are {truth}", lambda: works.sessions() == truth)
    for name, names in expected.items():
        lab.eventually(f"{name} says {names}", partial(says, lab, name.replace("_", "-"), names))


def says(lab: Lab, peer_name: str, names: set[str]) -> bool:
    return set(established(lab, peer_name)) == names


def entries(lab: Lab, peer_name: str) -> dict[str, Object]:
    found: dict[str, Object] = lab.client.get(f"{PEERS}/{peer_name}").get("status", {}).get("nodesPeerStatus", {})
    return found


def established(lab: Lab, peer_name: str) -> dict[str, str]:
    """The nodes whose entry says so, and since when."""
    return {
        name: entry["timersState"]["uptime"]
        for name, entry in entries(lab, peer_name).items()
        if entry["peerState"]["sessionState"] == "ESTABLISHED"
    }


def pods(lab: Lab) -> dict[str, Object]:
    """The pods by node."""
    return {each["spec"].get("nodeName", ""): each for each in lab.client.items(PODS)}


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def ready(lab: Lab) -> set[str]:
    """The nodes with a pod that is Ready."""
    return {name for name, pod in pods(lab).items() if is_ready(pod)}


def test_pods_are_ready_on_exactly_the_selected_nodes(lab: Lab) -> None:
    load(lab, "r1-n1", "r2-n2")
    lab.eventually("both are Ready", lambda: ready(lab) == {"r1-n1", "r2-n2"})
    path = lab.client.path(daemonset())
    status = lab.eventually("all is counted", lambda: counted(lab.client.get(path)["status"], 2))
    assert status["currentNumberScheduled"] == status["desiredNumberScheduled"] == 2
    assert set(pods(lab)) == {"r1-n1", "r2-n2"}


def counted(status: Object, number: int) -> Object | None:
    return status if status.get("numberAvailable") == number else None


def test_sessions_come_up_and_are_told(lab: Lab) -> None:
    load(lab, *FIRST, *SECOND)
    with speakers(lab) as works:
        sessions_are(lab, works, leaf_r1=FIRST, leaf_r2=SECOND)
        assert works.running() == FIRST | SECOND
        entry = entries(lab, "leaf-r1")["r1-n1"]
        assert entry["peerState"] == {"neighborAddress": ONE, "sessionState": "ESTABLISHED"}
        assert entry["timersState"]["uptime"].endswith("Z")
        assert works.history.lowest_once(ONE, 3) == 3
        *_, (_, last) = works.history.moments()
        assert last == {ONE: FIRST, TWO: SECOND}


def test_a_label_alone_changes_no_session(lab: Lab) -> None:
    load(lab, *FIRST)
    with speakers(lab) as works:
        sessions_are(lab, works, leaf_r1=FIRST, leaf_r2=set())
        label(lab, "r1-n1", rack="r2")
        # What is asked for after it has been seen by all that follow.
        lab.client.patch(f"{PEERS}/leaf-r2", {"spec": {"note": "looked at again"}})
        sessions_are(lab, works, leaf_r1=FIRST, leaf_r2={"r1-n1"})
        lab.client.patch(f"{PEERS}/leaf-r1", {"spec": {"note": "looked at again"}})
        sessions_are(lab, works, leaf_r1=FIRST - {"r1-n1"}, leaf_r2={"r1-n1"})
        # A running speaker has taken out its own entry.
        assert set(entries(lab, "leaf-r1")) == FIRST - {"r1-n1"}


def test_a_pod_that_is_deleted_closes_its_sessions_and_the_next_opens_them(lab: Lab) -> None:
    load(lab, *FIRST)
    with speakers(lab) as works:
        sessions_are(lab, works, leaf_r1=FIRST)
        before = pods(lab)["r1-n1"]["metadata"]["name"]
        lab.client.delete(f"{PODS}/{before}")
        lab.eventually("it is down", lambda: works.history.lowest_once(ONE, 3) == 2)
        sessions_are(lab, works, leaf_r1=FIRST)
        assert pods(lab)["r1-n1"]["metadata"]["name"] != before
        assert [(each.node, each.up) for each in works.history.of(ONE)[-2:]] == [("r1-n1", False), ("r1-n1", True)]


def test_entries_of_speakers_that_are_gone_stay(lab: Lab) -> None:
    load(lab, *FIRST)
    with speakers(lab) as works:
        sessions_are(lab, works, leaf_r1=FIRST)
        lab.client.patch(f"{NODES}/r1-n1", {"metadata": {"labels": dict.fromkeys(CHOSEN)}})
        lab.eventually("its session is down", lambda: works.sessions() == {ONE: FIRST - {"r1-n1"}})
        # Once something is written after that, what was to be written before has been.
        works.silent.add("r1-n2")
        lab.client.delete(f"{PODS}/{pods(lab)['r1-n2']['metadata']['name']}")
        lab.eventually(
            "a later entry", lambda: entries(lab, "leaf-r1")["r1-n2"]["peerState"]["sessionState"] == "ACTIVE"
        )
        assert set(established(lab, "leaf-r1")) == {"r1-n1", "r1-n3"}


def test_a_restart_of_the_api_server_changes_nothing_and_stops_nothing(lab: Lab) -> None:
    load(lab, *FIRST)
    with speakers(lab) as works:
        sessions_are(lab, works, leaf_r1=FIRST)
        lab.restart_api_server()
        lab.client.patch(f"{NODES}/r2-n1", {"metadata": {"labels": CHOSEN}})
        sessions_are(lab, works, leaf_r1=FIRST, leaf_r2={"r2-n1"})
        assert works.history.lowest_once(ONE, 3) == 3


def test_a_pod_that_never_gets_ready_has_no_session(lab: Lab) -> None:
    lab.kubelets(never_ready=["r1-n2"])
    load(lab, *FIRST)
    with speakers(lab) as works:
        sessions_are(lab, works, leaf_r1=FIRST - {"r1-n2"})
        stuck = lab.eventually("it runs", lambda: running(pods(lab).get("r1-n2")))
        assert not is_ready(stuck)
        lab.kubelets()
        sessions_are(lab, works, leaf_r1=FIRST)


def running(pod: Object | None) -> Object | None:
    return pod if pod and pod["status"]["phase"] == "Running" else None


def test_a_router_takes_no_more_than_its_limit(lab: Lab) -> None:
    load(lab, *FIRST)
    with speakers(lab, limits={ONE: 2}) as works:
        lab.eventually("two are up", lambda: len(works.sessions().get(ONE, ())) == 2)
        states = ["ACTIVE", "ESTABLISHED", "ESTABLISHED"]
        lab.eventually(
            "the third is told to wait",
            lambda: sorted(each["peerState"]["sessionState"] for each in entries(lab, "leaf-r1").values()) == states,
        )
        late = min(FIRST - works.sessions()[ONE])
        early = min(works.sessions()[ONE])
        works.silent.add(early)
        lab.client.delete(f"{PODS}/{pods(lab)[early]['metadata']['name']}")
        lab.eventually("it takes the place", lambda: late in works.sessions().get(ONE, ()))
        assert max(each.total for each in works.history.of(ONE)) == 2


def test_of_two_bgppeers_with_one_address_the_later_decides(lab: Lab) -> None:
    load(lab, *FIRST)
    with speakers(lab) as works:
        sessions_are(lab, works, leaf_r1=FIRST)
        lab.client.create(peer("other", ONE, {"matchLabels": {"kubernetes.io/hostname": "r1-n3"}}))
        sessions_are(lab, works, leaf_r1={"r1-n3"})
        lab.client.delete(f"{PEERS}/other")
        lab.eventually("nobody has a session", lambda: not works.sessions())


def test_the_scheduler_and_the_kubelets_take_nodes_as_they_come(lab: Lab) -> None:
    bare = node("bare", "r1")
    del bare["status"]
    lab.client.create_all([bare, node("down", "r1", ready="False"), node("closed", "r1", unschedulable=True)])
    found = lab.eventually("it is Ready", lambda: lab.client.get(f"{NODES}/bare")["status"].get("conditions"))
    assert [(each["type"], each["status"]) for each in found] == [("Ready", "True")]
    down = lab.client.get(f"{NODES}/down")["status"]["conditions"]
    assert ("Ready", "False") in [(each["type"], each["status"]) for each in down]
    taints = lab.eventually("it has a taint", lambda: lab.client.get(f"{NODES}/closed")["spec"].get("taints"))
    assert [each["key"] for each in taints] == ["node.kubernetes.io/unschedulable"]


def test_users_may_do_what_their_roles_say(lab: Lab) -> None:
    refused = lab.run_kubectl("get", "nodes", user=ROLE_TEST)
    assert "Forbidden" in refused.stderr
    account = f"system:serviceaccount:{SYSTEM}:reader"
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
    users = [
        {"kind": "User", "apiGroup": group, "name": ROLE_TEST},
        {"kind": "ServiceAccount", "name": "reader", "namespace": SYSTEM},
    ]
    named = {"apiVersion": f"{group}/v1", "metadata": {"name": "readers"}}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "readers"}
    lab.client.create({**named, "kind": "ClusterRole", "rules": [rule]})
    lab.client.create({**named, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": users})
    for user in (ROLE_TEST, account):
        lab.eventually(f"{user} may", partial(may_list_nodes, lab, user))


def may_list_nodes(lab: Lab, user: str) -> bool:
    return lab.run_kubectl("get", "nodes", user=user).returncode == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_cluster_is_empty_at_the_start(lab: Lab, when: str) -> None:
    for path in (NODES, PODS, PEERS, f"/apis/apps/v1/namespaces/{SYSTEM}/daemonsets"):
        assert lab.client.items(path) == [], when
    assert "readers" not in lab.run_kubectl("get", "clusterroles", "-o", "name").stdout
    load(lab, *FIRST)
    lab.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "extra"}})
    lab.client.patch(f"{PEERS}/leaf-r1", {"metadata": {"finalizers": ["example.com/held"]}})
    assert SPEAKER in lab.run_kubectl("get", "daemonsets", "-A").stdout
