"""The hazards that the order of a move is made for, shown on the wire: each would be an outage, or is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.cluster import Lab
from tests.lab.crds import PEERS
from tests.lab.kubelet import MANY
from tests.lab.moves import LABEL
from tests.lab.network import leaf_address, leaf_name
from tests.lab.objects import NODES
from tests.lab.plan import Plan, under
from tests.lab.wired import wired

pytestmark = [pytest.mark.lab, pytest.mark.routers, pytest.mark.wire]

CHOSEN = frozenset(f"r{rack}-n{node}" for rack in (1, 2) for node in (1, 2))
CONF = "/apis/network.kubesphere.io/v1alpha2/bgpconfs/default"
FIRST = leaf_address(1)


def test_a_speaker_whose_node_is_relabelled_keeps_its_session(wire: Lab, tmp_path: Path) -> None:
    """So labels that BgpPeers select by are no way to close a session, until something else makes speakers look."""
    with wired(wire, tmp_path, Plan(leaves=2, size=2, chosen=CHOSEN)) as it:
        label = f"example.com/{leaf_name(1)}"
        it.lab.client.patch(f"{NODES}/r1-n1", {"metadata": {"labels": {label: None}}})
        it.rest()
        assert it.works.sessions() == it.plan_of.sessions()
        assert it.works.history.lowest(FIRST, it.began) == 2
        # The next edit of the BgpPeer, whatever it is about, does what the label did not.
        it.lab.client.patch(f"{PEERS}/{leaf_name(1)}", {"spec": {"ebgpMultihop": {"multihopTtl": 9}}})
        it.lab.eventually("it is closed", lambda: it.works.sessions()[FIRST] == {"r1-n2"})


def test_two_bgppeers_of_one_address_fight(wire: Lab, tmp_path: Path) -> None:
    """The one that was seen last decides: what does not select a node closes the session that the other has opened."""
    with wired(wire, tmp_path, Plan(leaves=2, size=2, chosen=CHOSEN)) as it:
        twin = it.plan_of.peer(1, under(2))
        twin["metadata"]["name"] = "twin"
        it.lab.client.create(twin)
        others = frozenset({"r2-n1", "r2-n2"})
        it.lab.eventually("others have taken over", lambda: it.works.sessions().get(FIRST) == others)
        # Its deletion closes what is left, though the first BgpPeer is as it was.
        it.lab.client.delete(f"{PEERS}/twin")
        it.lab.eventually("nothing is left", lambda: FIRST not in it.works.sessions())


def test_an_edit_of_the_bgpconf_resets_every_session(wire: Lab, tmp_path: Path) -> None:
    """And what was announced is not announced again until a service changes, though all sessions are up again."""
    with wired(wire, tmp_path, Plan(leaves=2, size=2, chosen=CHOSEN)) as it:
        it.lab.client.patch(CONF, {"spec": {"asPerRack": {"nowhere": 64999}}})
        it.lab.eventually(
            "all were reset",
            lambda: all(it.works.history.lowest(each, it.began) == 0 for each in it.plan_of.sessions()),
        )
        it.lab.eventually("all are up", lambda: it.works.sessions() == it.plan_of.sessions())
        it.rest()
        assert not any(it.works.hops().values())
        service = "/api/v1/namespaces/default/services/web"
        it.lab.client.patch(service, {"metadata": {"labels": {"touched": "yes"}}})
        it.lab.eventually("the service is announced", lambda: all(it.works.hops().values()))


def test_the_move_that_people_make_by_hand(wire: Lab, tmp_path: Path) -> None:
    """Label two other nodes, unlabel the old ones: the leaf has no session for a while, and the probe sees it."""
    with wired(wire, tmp_path, Plan(leaves=2, size=4, chosen=CHOSEN)) as it:
        # Their image has to be pulled first, and nobody waits for that.
        it.works.kubelets.at_once = 0
        for name, value in (("r1-n3", "true"), ("r1-n4", "true"), ("r1-n1", None), ("r1-n2", None)):
            it.lab.client.patch(f"{NODES}/{name}", {"metadata": {"labels": {LABEL: value}}})
        it.lab.eventually("there is no session", lambda: FIRST not in it.works.sessions())
        it.lab.eventually("the probe sees it", lambda: it.works.history.lowest(FIRST, it.began) == 0)
        it.works.kubelets.at_once = MANY
        it.lab.eventually(
            "two others are there", lambda: it.works.sessions().get(FIRST) == frozenset({"r1-n3", "r1-n4"})
        )
        assert any(not each.nodes for each in it.works.samples(it.began)[leaf_name(1)])
