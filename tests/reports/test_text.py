"""What the summary says of the number of sessions: what is asked for, what is missing, and that it adds up."""

from __future__ import annotations

from msgspec.structs import replace

from optimizer.model import Cluster, Node, Policy, Router
from optimizer.placements.optimize import optimize
from optimizer.reports.text import text
from tests.builders import cluster_of
from tests.instances import PER_RACK, RACK


def lines(cluster: Cluster, policy: Policy) -> dict[str, str]:
    """The paragraphs by their name, each in one line."""
    found: dict[str, str] = {}
    name = ""
    for line in text(cluster, policy, optimize(cluster, policy)).splitlines():
        name = line[:14].strip() or name
        found[name] = f"{found[name]} {line.strip()}" if not line[:14].strip() else line[14:]
    return found


def test_routers_that_ask_for_no_more_than_they_get() -> None:
    found = lines(cluster_of({"a": ["n1", "n2", "n3"]}), Policy())
    assert found["asked"] == "2 sessions for 1 router, peering all-attached"
    assert (
        found["sessions"]
        == "0 configured today -> 2, proved least; the routers ask for 2 in all, so there can be no fewer"
    )


def test_routers_that_ask_for_more_or_for_none_are_counted_apart() -> None:
    routers = [Router("a", min_speakers=3), Router("b"), Router("c", min_speakers=0)]
    found = lines(cluster_of({name: ["n1", "n2", "n3"] for name in "abc"}, routers=routers), Policy(peering="selected"))
    assert found["asked"].startswith(
        "2 sessions for each of 2 routers (1 of them asks for more, 1 more asks for none), "
    )
    assert found["sessions"].endswith("the routers ask for 5 in all, so there can be no fewer")


def test_what_is_missing_is_counted_and_what_is_forced() -> None:
    cluster = cluster_of({"a": ["n1"], "b": ["n1", "n2", "n3"], "c": []})
    found = lines(cluster, Policy(best_effort=True))
    assert found["sessions"].endswith("the routers ask for 6 in all, 3 of which are missing")
    # All nodes are needed, so that a has one session more than it asks for.
    attachments = {"a": ["n1", "n2", "n3"], "b": ["n1", "n4"], "c": ["n2", "n4"], "d": ["n3", "n4"], "e": []}
    found = lines(cluster_of(attachments), Policy(best_effort=True))
    told = "the routers ask for 10 in all, 2 of which are missing; the other rules force 1 more"
    assert found["sessions"] == f"0 configured today -> 9, proved least; {told}"


def test_racks_ask_for_more_than_their_routers() -> None:
    nodes = [Node(name, {RACK: name[:2]}) for name in ("r1n1", "r1n2", "r1n3", "r2n1", "r2n2", "r3n1")]
    cluster = replace(cluster_of({"a": [node.name for node in nodes]}, nodes), settings=PER_RACK)
    found = lines(cluster, Policy())
    assert found["asked"].endswith("every rack keeping 2 of its own, where it has the nodes")
    asked = "the routers and their racks ask for 5 in all"
    assert found["sessions"] == f"0 configured today -> 5, proved least; {asked}, so there can be no fewer"
    short = replace(cluster, routers=(Router("a", max_sessions=3),))
    found = lines(short, Policy(best_effort=True))
    assert found["sessions"] == f"0 configured today -> 3, proved least; {asked}, 2 of which are missing (see exposure)"
    assert (found["shortfall"], found["exposure"]) == ("0, proved least", "2 (2 sessions of racks), proved least")
    found = lines(replace(cluster, routers=(Router("a", max_sessions=1),)), Policy(best_effort=True))
    assert found["sessions"].endswith(f"{asked}, 4 of which are missing (see shortfall and exposure)")
    assert found["shortfall"] == "3 (1 session of routers, 2 sessions of racks that keep none), proved least"
    assert found["exposure"].startswith("4 (4 sessions of racks)")


def test_what_is_missing_is_listed_with_what_weighs_most_first_and_only_as_far_as_it_is_short() -> None:
    nodes = [Node(f"r{rack}n{number}", {RACK: f"r{rack}"}) for rack in range(9) for number in (1, 2)]
    cluster = replace(cluster_of({"a": [node.name for node in nodes]}, nodes), settings=PER_RACK)
    cluster = replace(cluster, routers=(Router("a", max_sessions=2),))
    policy = Policy(best_effort=True)
    placement = optimize(cluster, policy)
    short = [line for line in text(cluster, policy, placement).splitlines() if line.startswith("missing")]
    assert len(short) == 9
    assert all("a: no session with rack r" in line for line in short[:7])
    assert short[-1].endswith("... and 8 more (all with -v)")
    assert len([line for line in text(cluster, policy, placement, True).splitlines() if "missing  " in line]) == 16
