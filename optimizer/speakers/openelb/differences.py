"""In what BgpPeers of one address ask for different sessions, as OpenELB and the GoBGP in it read them.

Sources: OpenELB's pkg/speaker/bgp/bgp/peers.go (what it sets where `afiSafis` are missing); GoBGP's
pkg/server/grpc_server.go and internal/pkg/config/default.go (what is read, and the defaults). Zero is absent.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...model import Peer

UNSAID = frozenset({"neighborAddress", "description", "peerType"})
"""Of `conf`: the address is the same in another notation, and the others make no difference to a session."""

TIMES = "spec.timers.config."
SECRET = re.compile("password|passphrase|secret|token|auth", re.IGNORECASE)
HOLD_TIME, CONNECT_RETRY, DEFERRAL_TIME, TTL, PORT, SEND_MAX = 90, 120, 360, 255, 179, 10


def differences(first: Peer, other: Peer) -> tuple[str, ...]:
    """The fields, each with both values where they are numbers or switches and no secret; empty for equal sessions."""
    one, two = settings(first), settings(other)
    paths = sorted(path for path in one.keys() | two.keys() if one.get(path) != two.get(path))
    if not paths:
        return ()
    given, also = written(first), written(other)
    return tuple(named(path, (given.get(path), one.get(path)), (also.get(path), two.get(path))) for path in paths)


def named(path: str, *values: tuple[object, object]) -> str:
    """A field, with its values as they are written and as they are read, where they may be shown.

    >>> named("spec.conf.peerAs", (65001, 65001), (None, None)), named("spec.timers.holdTime", (30, 30), (None, 90.0))
    ('spec.conf.peerAs (65001, absent)', 'spec.timers.holdTime (30, absent = 90)')
    >>> named("spec.conf.authPassword", ("alpha", "alpha"), ("beta", "beta"))
    'spec.conf.authPassword'
    """
    path = path if path.isprintable() else ascii(path)
    plain = all(each is None or isinstance(each, bool | int | float) for value in values for each in value)
    if SECRET.search(path) or not plain:
        return path
    return f"{path} ({', '.join(shown(*value) for value in values)})"


def shown(given: object, read: object) -> str:
    """A value as it is written, and what it is read as where that is another.

    >>> shown(10.0, 10.0), shown(None, None), shown(False, None), shown(0, 90), shown(3, None)
    ('10', 'absent', 'false', '0 = 90', 'unused 3')
    """
    words = "absent" if given is None else figure(given)
    if not given and read is not None and read != given:
        return f"{words} = {figure(read)}"
    return f"unused {words}" if given and read is None else words


def figure(value: object) -> str:
    """A number or a switch as an object has it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).lower()


def written(peer: Peer) -> dict[str, object]:
    """What stands in the spec of a BgpPeer, by the path of each field, zeros too; times as numbers."""
    given: Mapping[str, Any] = peer.manifest.get("spec") or {}
    found = dict(flat("spec", {name: part for name, part in given.items() if name != "afiSafis"}, zeros=True))
    for entry in given.get("afiSafis") or ():
        path = f"spec.afiSafis[{family(entry or {}, peer.address)}]"
        found |= {path: True, **dict(flat(path, entry, zeros=True))}
    return {path: number(value) if path.startswith(TIMES) else value for path, value in found.items()}


def settings(peer: Peer) -> dict[str, object]:
    """What makes the sessions of a BgpPeer, by the path of each field; what is not set is absent or the default."""
    given: Mapping[str, Any] = peer.manifest.get("spec") or {}
    spec = {name: part for name, part in given.items() if name not in ("nodeSelector", "afiSafis")}
    conf = {name: part for name, part in (given.get("conf") or {}).items() if name not in UNSAID}
    if conf.get("removePrivateAs") == "NONE":
        del conf["removePrivateAs"]
    timers = within(given, "timers")
    times = {name: number(part) for name, part in within(timers, "config").items()}
    hold = times.get("holdTime") or HOLD_TIME
    times |= {
        "holdTime": hold,
        "connectRetry": times.get("connectRetry") or CONNECT_RETRY,
        "keepaliveInterval": times.get("keepaliveInterval") or (hold / 3 if isinstance(hold, int | float) else hold),
    }
    transport = within(given, "transport")
    spec |= {
        "conf": conf,
        "timers": {**timers, "config": times},
        "transport": {**transport, "remotePort": transport.get("remotePort") or PORT},
        # Where they are not enabled, nothing of it matters.
        "ebgpMultihop": enabled(within(given, "ebgpMultihop"), multihopTtl=TTL),
        "gracefulRestart": enabled(within(given, "gracefulRestart"), restartTime=hold, deferralTime=DEFERRAL_TIME),
    }
    found = dict(flat("spec", spec))
    for entry in given.get("afiSafis") or [{"addPaths": {"config": {"sendMax": SEND_MAX}}}]:
        path = f"spec.afiSafis[{family(entry or {}, peer.address)}]"
        found[path] = True
        # `enabled` is not read.
        found |= flat(path, {name: part for name, part in (entry or {}).items() if name != "config"})
    return found


def within(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of plain data; empty where there is none, or something else."""
    found = data.get(name)
    return found if isinstance(found, Mapping) else {}


def enabled(part: Mapping[str, Any], **defaults: object) -> dict[str, Any]:
    """A part of a spec with its defaults where it is enabled, else nothing.

    >>> enabled({"enabled": True, "multihopTtl": 0}, multihopTtl=255), enabled({"multihopTtl": 3}, multihopTtl=255)
    ({'enabled': True, 'multihopTtl': 255}, {})
    """
    if not part.get("enabled"):
        return {}
    return {**part, **{name: part.get(name) or value for name, value in defaults.items()}}


def family(entry: Mapping[str, Any], address: str) -> str:
    """The family of an entry of `afiSafis`, that of the address where it says none."""
    given = within(within(entry, "config"), "family")
    own = "AFI_IP6" if ipaddress.ip_address(address).version == 6 else "AFI_IP"
    afi, safi = given.get("afi") or own, given.get("safi") or "SAFI_UNICAST"
    return str(afi) if safi == "SAFI_UNICAST" else f"{afi} {safi}"


def number(value: object) -> object:
    """A number that stands as text in an object, as one.

    >>> number("90"), number(90), number("soon")
    (90, 90, 'soon')
    """
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value) else value


def flat(path: str, part: object, zeros: bool = False) -> Iterator[tuple[str, object]]:
    """The fields below a path that are set to something but zero, or to anything.

    >>> dict(flat("spec", {"a": {"b": 1, "c": 0, "d": None}, "e": [], "f": [2]}))
    {'spec.a.b': 1, 'spec.f[0]': 2}
    """
    if isinstance(part, Mapping):
        for name, value in part.items():
            yield from flat(f"{path}.{name}", value, zeros)
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from flat(f"{path}[{index}]", value, zeros)
    elif part or (zeros and part is not None):
        yield path, part
