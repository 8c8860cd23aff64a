"""Random policies, topologies and placements of every kind that their files can hold."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from optimizer.findings import Finding
from optimizer.inputs.topology import AttachedNodes, FailureDomain, Topology, TopologyRouter
from optimizer.kube.objects import Expression, Selector
from optimizer.kube.quantities import MAX_QUANTITY
from optimizer.model import (
    GOALS,
    Conflict,
    Count,
    LabelSelector,
    NodeCost,
    NodeRules,
    Objective,
    Paths,
    Placement,
    Policy,
    Requirement,
    Resources,
    Session,
    Shortfall,
    SpeakerNeeds,
    Survive,
)

names = st.sampled_from(["n1", "n2", "10-0-0-1.ec2.internal", "0", "x" * 253])
label_values = st.sampled_from(["", "r1", "r2", "Rack_1.2-b", "0", "x" * 63])
label_keys = st.sampled_from(["rack", "example.com/rack", "A.b_c-1", "0", f"{'a' * 253}/{'x' * 63}"])
printable = st.characters(codec="utf-8", exclude_categories=["C", "Z"])
texts = st.text(printable, min_size=1, max_size=8)
sentences = st.text(st.characters(codec="utf-8"), max_size=12)
findings = st.builds(Finding, sentences, sentences, sentences)
counts = st.integers(0, 2**53)
labels = st.dictionaries(label_keys, label_values, max_size=3)


def tuples(each: st.SearchStrategy[Any], most: int = 3, unique_by: Any = None) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, max_size=most, unique_by=unique_by).map(tuple)


requirements = st.one_of(
    st.builds(
        Requirement,
        label_keys,
        st.sampled_from(["In", "NotIn"]),
        st.lists(label_values, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Requirement, label_keys, st.sampled_from(["Exists", "DoesNotExist"])),
)
selectors = st.builds(LabelSelector, labels, tuples(requirements))


@st.composite
def node_rules(draw: st.DrawFn) -> NodeRules:
    pin, ban = draw(st.sets(names, max_size=3)), draw(st.sets(names, max_size=3))
    return NodeRules(
        exclude=draw(tuples(selectors)),
        prefer=draw(tuples(selectors)),
        pin=tuple(sorted(pin - ban)),
        ban=tuple(sorted(ban)),
        cost=draw(tuples(st.builds(NodeCost, selectors, st.integers(0, 1_000_000)))),
    )


def policies() -> st.SearchStrategy[Policy]:
    others = st.sampled_from(
        [{}, {"ephemeral-storage": 1, "hugepages-2Mi": 2**21}, {"example.com/nic": MAX_QUANTITY}],
    )
    amounts = st.builds(
        Resources,
        st.integers(0, MAX_QUANTITY),
        st.integers(0, MAX_QUANTITY),
        others=others,
    )
    needs = st.builds(
        SpeakerNeeds,
        requests=st.none() | amounts,
        per_session=amounts,
        max_sessions=st.none() | st.integers(0, 1_000_000),
        label=st.tuples(label_keys, label_values),
        daemonset=st.none() | names,
    )
    asked = st.builds(
        Policy,
        speakers_per_router=st.integers(1, 1_000_000),
        peering=st.sampled_from(["all-attached", "selected"]),
        mode=st.sampled_from(["bgp", "layer2", "vip"]),
        survive=tuples(st.builds(Survive, texts, st.integers(1, 1_000_000)), unique_by=lambda each: each.kind),
        speaker=needs,
        nodes=node_rules(),
        max_moves=st.none() | st.integers(0, 10_000_000),
        goals=st.lists(st.sampled_from(GOALS), min_size=1, unique=True).map(tuple),
        time_limit=st.floats(0.1, 1_000_000),
        best_effort=st.booleans(),
        allow_break=st.booleans(),
        coverage=st.none() | st.booleans(),
    )
    # Only mode bgp has sessions, so elsewhere they cannot be all that is asked for.
    return asked.filter(lambda policy: policy.mode == "bgp" or not {"sessions", "sessionMoves"} >= set(policy.goals))


def plain(selector: LabelSelector) -> Selector:
    expressions = [Expression(each.key, each.operator, list(each.values)) for each in selector.match_expressions]
    return Selector(dict(selector.match_labels), expressions)


def possible(address: IPv4Address | IPv6Address) -> bool:
    """Whether a router can have the address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    found = mapped or address
    odd = found.is_unspecified or found.is_multicast or found.is_loopback or str(found) == "255.255.255.255"
    return not odd


def topologies() -> st.SearchStrategy[Topology]:
    nodes = st.builds(
        AttachedNodes,
        selector=st.none() | selectors.map(plain),
        names=tuples(names),
        cidrs=tuples(st.ip_addresses().map(str)),
    )
    router = st.builds(
        TopologyRouter,
        name=texts,
        address=st.none() | st.ip_addresses().filter(possible).map(str),
        asn=st.none() | st.integers(1, 2**32 - 1),
        max_sessions=st.none() | st.integers(0, 1_000_000),
        min_speakers=st.none() | st.integers(0, 1_000_000),
        domains=st.dictionaries(texts, texts, max_size=2),
        nodes=st.none() | nodes,
    )
    return st.builds(
        Topology,
        routers=tuples(router, unique_by=(lambda each: each.name, lambda each: each.address or each.name)),
        routers_from_label=st.none() | label_keys,
        attachments=tuples(st.tuples(names, texts)),
        failure_domains=tuples(st.builds(FailureDomain, texts, label_keys), unique_by=lambda each: each.kind),
    )


def placements() -> st.SearchStrategy[Placement]:
    return st.builds(
        Placement,
        status=st.sampled_from(["optimal", "feasible", "infeasible"]),
        objectives=tuples(st.builds(Objective, texts, counts, counts)),
        speakers=tuples(names),
        sessions=tuples(st.builds(Session, names, texts)),
        today=st.builds(Count, counts, counts),
        eligible=counts,
        ineligible=st.dictionaries(sentences, counts, max_size=3),
        diagnosis=tuples(st.builds(Conflict, tuples(texts), tuples(sentences), tuples(sentences), sentences)),
        shortfalls=tuples(st.builds(Shortfall, texts, sentences, counts)),
        paths=tuples(st.builds(Paths, texts, counts, counts)),
        warnings=tuples(findings),
        hazards=tuples(findings),
    )
