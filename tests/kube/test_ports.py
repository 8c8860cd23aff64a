"""Host ports: which a pod takes, and which exclude each other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from optimizer.errors import InputError
from optimizer.kube.objects import PodSpec
from optimizer.kube.ports import ANY, host_ports, taken


def ports(*given: dict[str, Any], **spec: Any) -> tuple[tuple[str, str, int], ...]:
    """The host ports of a pod whose one container has these ports."""
    content = msgspec.json.encode({"containers": [{"ports": list(given)}]} | spec)
    return host_ports(msgspec.json.decode(content, type=PodSpec), "spec")


def test_a_container_s_port_is_the_host_s_on_the_host_network_only() -> None:
    port = {"containerPort": 50051}
    assert ports(port) == ()
    assert ports(port, hostNetwork=True) == (("TCP", ANY, 50051),)
    assert ports(port | {"hostPort": 99, "protocol": "UDP", "hostIP": "10.0.0.1"}) == (("UDP", "10.0.0.1", 99),)
    assert ports({"containerPort": 1, "hostPort": 0}) == ()
    assert ports(port | {"hostPort": 99}, hostNetwork=True) == (("TCP", ANY, 99),)


def test_sidecars_take_ports_and_other_init_containers_do_not() -> None:
    init = [
        {"restartPolicy": "Always", "ports": [{"hostPort": 1}]},
        {"ports": [{"hostPort": 2}]},
    ]
    assert ports({"hostPort": 3}, initContainers=init) == (("TCP", ANY, 1), ("TCP", ANY, 3))


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "::", "0::0"])
def test_every_address_is_written_in_several_ways(address: str | None) -> None:
    assert ports({"hostPort": 1, "hostIP": address}) == (("TCP", ANY, 1),)


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (("TCP", ANY, 179), ("TCP", ANY, 179), True),
        (("TCP", ANY, 179), ("TCP", "10.0.0.1", 179), True),
        (("TCP", "fd00::1", 179), ("TCP", ANY, 179), True),
        (("TCP", "10.0.0.1", 179), ("TCP", "10.0.0.1", 179), True),
        (("TCP", "10.0.0.1", 179), ("TCP", "10.0.0.2", 179), False),
        (("TCP", ANY, 179), ("UDP", ANY, 179), False),
        (("TCP", ANY, 179), ("TCP", ANY, 180), False),
    ],
)
def test_ports_exclude_each_other(one: tuple[str, str, int], other: tuple[str, str, int], conflict: bool) -> None:
    assert taken([one], [other]) == ((f"{one[0]} {one[2]}",) if conflict else ())
    assert bool(taken([other], [one])) is conflict


@pytest.mark.parametrize(
    ("port", "sentence"),
    [
        ({"hostPort": 1, "protocol": "tcp\n"}, "protocol 'tcp\\\\n' is not one of TCP, UDP, SCTP"),
        ({"hostPort": 65536}, "port 65536 is not from 1 to 65535"),
        ({"hostPort": -1}, "port -1 is not from 1 to 65535"),
        ({"hostPort": 1, "hostIP": "host"}, "hostIP 'host' is not an IP address"),
        ({"hostPort": "http"}, r"\[0\].hostPort: expected a whole number, found text"),
    ],
)
def test_an_impossible_port_is_refused(port: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=rf"^spec.containers\[0\].ports: {sentence}$"):
        ports(port)
