"""The bytes of BGP that the light speaker sends: OPEN, KEEPALIVE and UPDATE for IPv4 routes.

RFC 4271 is BGP, RFC 6793 AS numbers of four bytes, RFC 7911 several paths a route, RFC 4760 and 5492 how the two sides
agree on what they carry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

MARKER = b"\xff" * 16
HEADER = len(MARKER) + 3
LONGEST = 4096
"""Bytes of a message (RFC 4271, 4.1)."""

OPEN, UPDATE, KEEPALIVE = 1, 2, 4
AS_TRANS = 23456
"""The two-byte stand-in for a larger AS number (RFC 6793, 9)."""

IPV4_UNICAST = b"\0\1\1"
MULTIPROTOCOL, FOUR_BYTE_AS, ADD_PATH = 1, 65, 69
RECEIVE, SEND = 1, 2
LOCAL_PREF = struct.pack("!BBBI", 0x40, 5, 4, 100)


def message(kind: int, body: bytes = b"") -> bytes:
    """A message with its header.

    >>> message(KEEPALIVE)[len(MARKER) :].hex()
    '001304'
    """
    return MARKER + struct.pack("!HB", HEADER + len(body), kind) + body


def open_message(asn: int, hold: int, router_id: str) -> bytes:
    """An OPEN (RFC 4271, 4.2) that offers AS numbers of four bytes, and to send several paths a route."""
    capabilities = (
        (MULTIPROTOCOL, IPV4_UNICAST[:2] + b"\0\1"),
        (FOUR_BYTE_AS, struct.pack("!I", asn)),
        (ADD_PATH, IPV4_UNICAST + bytes([SEND])),
    )
    told = b"".join(bytes([code, len(value)]) + value for code, value in capabilities)
    parameters = bytes([2, len(told)]) + told
    short = asn if asn < 1 << 16 else AS_TRANS
    fixed = struct.pack("!BHH4sB", 4, short, hold, IPv4Address(router_id).packed, len(parameters))
    return message(OPEN, fixed + parameters)


def takes_several_paths(opened: bytes) -> bool:
    """Whether who sent the body of this OPEN takes several paths a route (RFC 7911, 4).

    >>> takes_several_paths(open_message(65001, 9, "10.0.0.1")[HEADER:])  # it sends them, but takes none
    False
    """
    parameters = opened[10:]
    while len(parameters) > 1:
        kind, length = parameters[0], parameters[1]
        told = parameters[2 : 2 + length] if kind == 2 else b""
        while len(told) > 1:
            value = told[2 : 2 + told[1]]
            families = [value[at : at + 4] for at in range(0, len(value), 4)]
            if told[0] == ADD_PATH and any(f[:3] == IPV4_UNICAST and f[3] & RECEIVE for f in families):
                return True
            told = told[2 + told[1] :]
        parameters = parameters[2 + length :]
    return False


def attributes(as_path: Sequence[int], next_hop: str) -> bytes:
    """ORIGIN incomplete, AS_PATH and NEXT_HOP (RFC 4271, 5.1); LOCAL_PREF within an AS, where the path is empty."""
    path = struct.pack(f"!BB{len(as_path)}I", 2, len(as_path), *as_path) if as_path else b""
    return (
        b"\x40\x01\x01\x02"
        + bytes([0x40, 2, len(path)])
        + path
        + b"\x40\x03\x04"
        + IPv4Address(next_hop).packed
        + (b"" if as_path else LOCAL_PREF)
    )


def routes(prefixes: Iterable[str], path_id: int | None) -> list[bytes]:
    """NLRI (RFC 4271, 4.3), each with the number of its path before it where several are sent (RFC 7911, 3).

    >>> [route.hex() for route in routes(["10.9.0.0/16"], 7)]
    ['00000007100a09']
    """
    number = b"" if path_id is None else struct.pack("!I", path_id)
    networks = map(IPv4Network, prefixes)
    return [number + bytes([n.prefixlen]) + n.network_address.packed[: (n.prefixlen + 7) // 8] for n in networks]


def announcements(
    prefixes: Sequence[str], next_hops: Sequence[str], as_path: Sequence[int], numbered: bool = True
) -> Iterator[bytes]:
    """UPDATEs that announce every prefix with a path for each next hop, as few as they fit in.

    >>> len(list(announcements(["10.9.0.1/32", "10.9.0.2/32"], ["10.0.0.1", "10.0.0.2"], [65001])))
    2
    """
    for index, hop in enumerate(next_hops, 1):
        told = attributes(as_path, hop)
        head = struct.pack("!HH", 0, len(told)) + told
        for packed in _filled(routes(prefixes, index if numbered else None), LONGEST - HEADER - len(head)):
            yield message(UPDATE, head + packed)


def withdrawals(prefixes: Sequence[str], paths: int, numbered: bool = True) -> Iterator[bytes]:
    """UPDATEs that withdraw what `announcements` with so many next hops announced.

    >>> len(list(withdrawals(["10.9.0.1/32"], 500)))
    2
    """
    numbers = range(1, paths + 1) if numbered else (None,)
    gone = [route for number in numbers for route in routes(prefixes, number)]
    for packed in _filled(gone, LONGEST - HEADER - 4):
        yield message(UPDATE, struct.pack("!H", len(packed)) + packed + b"\0\0")


def _filled(parts: Sequence[bytes], room: int) -> Iterator[bytes]:
    """Parts put together, as many as there is room for."""
    start = size = 0
    for at, part in enumerate(parts):
        if size + len(part) > room:
            yield b"".join(parts[start:at])
            start, size = at, 0
        size += len(part)
    yield b"".join(parts[start:])
