"""Texts -> the Kubernetes objects in them, one by one, each with the place where it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from ..errors import InputError
from ..kube.item import Item, decode
from ..kube.kinds import DAEMONSET, DEPLOYMENT, LIMIT_RANGE, NODE, POD, Kind
from ..kube.names import is_dns_subdomain
from ..kube.objects import (
    DaemonSetObject,
    Head,
    Kinded,
    LimitRangeObject,
    ListMeta,
    Named,
    NodeObject,
    Object,
    PodObject,
    Whole,
)
from ..progress import Tell, silent
from ..speakers import PRODUCTS, strangers
from ..words import are, plural
from .notes import Notes
from .stream import State, check_event, event_of, failure, newest, split
from .text import Text, load_documents, to_utf8

LARGE = 20 * 2**20
"""Bytes of a text from which it is reported that it will take long."""


class Readable(Struct, frozen=True, gc=False):
    """A kind of objects that is read: `key` names it among all that are, whatever group it comes in."""

    key: str
    kind: str
    namespaced: bool
    decoder: msgspec.json.Decoder[Object]


@cache
def readable_kinds() -> Mapping[tuple[str, str], Readable]:
    """What is read, by API group and kind: other products have kinds of the same name (Longhorn's Node)."""
    node, pod, limits, daemonset = (
        Readable(kind.name, kind.name, kind.namespaced, msgspec.json.Decoder(struct))
        for kind, struct in (
            (NODE, NodeObject),
            (POD, PodObject),
            (LIMIT_RANGE, LimitRangeObject),
            (DAEMONSET, DaemonSetObject),
        )
    )
    found = {("", "Node"): node, ("", "Pod"): pod, ("", "LimitRange"): limits}
    found |= {(group, "DaemonSet"): daemonset for group in ("apps", "extensions", "")}
    for product in PRODUCTS.values():
        for kind in product.kinds:
            decoder = msgspec.json.Decoder(product.structs[kind.name])
            found[kind.group, kind.name] = Readable(kind_key(kind), kind.name, kind.namespaced, decoder)
    # What only tells whose cluster it is.
    named = msgspec.json.Decoder(Object)
    deployment = Readable(DEPLOYMENT.name, DEPLOYMENT.name, DEPLOYMENT.namespaced, named)
    found |= {(group, DEPLOYMENT.name): deployment for group in ("apps", "extensions")}
    for kind in (kind for each in strangers() for kind in (*each.peers, *each.kinds)):
        found[kind.group, kind.name] = Readable(kind_key(kind), kind.name, kind.namespaced, named)
    return found


def kind_key(kind: Kind) -> str:
    """How a product's kind is named among all that are read.

    >>> kind_key(Kind("Router", "example.org", "v1", "routers"))
    'Router.example.org'
    """
    return f"{kind.name}.{kind.group}"


class NoObjectError(InputError):
    """The text is valid, but nothing in it is a Kubernetes object that is read."""


def objects(
    text: Text, name: str, tell: Tell = silent, page: bool = False, notes: Notes | None = None
) -> Iterator[Item]:
    """Every object in a text that is of a kind we read; the members of lists one by one.

    A `page` is one of a list that is complete with others. Raises InputError, EmptyFileError and NoObjectError among
    others.
    """
    text, notes = to_utf8(text, name), notes or Notes()
    if bytes(text[:4096]).lstrip()[:1] == b"{":
        try:
            whole = msgspec.json.decode(text, type=Whole)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass  # several documents, YAML in flow style, a list of another form, or broken: below it is reported which
        else:
            if not whole.kind.endswith("List"):
                yield from newest(states([[Raw(text)]], name), True, notes)
                return
            if not page:
                check_complete(whole, whole.metadata, name)
            yield from each_member(whole.items or (), whole, name, name)
            return
        if documents := split(text):
            yield from newest(states(([each] for each in documents), name), True, notes)
            return
    elif listed := kubectl_list(text, name, lambda: hint(text, name, tell)):
        yield from each_member(*listed, name, name)
        return
    hint(text, name, tell)
    loaded = (each if isinstance(each, list) else [each] for each in load_documents(text, name))
    yield from newest(states(loaded, name), False, notes)


def states(documents: Iterable[Iterable[Any]], name: str) -> Iterator[State]:
    """The objects in the entries of documents, each at its turn. Raises InputError, NoObjectError where no entry is
    of a kind we read and some of no kind at all."""
    turn, read = 0, False
    strange: NoObjectError | None = None
    for document in documents:
        turn += 1
        for entry in document:
            try:
                content = entry if isinstance(entry, Raw) else to_json(entry, name)
                head: Head = decode(content, Head, name)
                event = "" if head.kind else event_of(head)
                if event:
                    turn += 1  # as events come in order, in an array too
                    check_event(event, head, name)
                    content, head = head.object, decode(head.object, Head, name)
                check_kind(content, head, name)
            except NoObjectError as error:
                strange = strange or error
                continue
            for item in expand(content, head, Head(), name, name) if event != "BOOKMARK" else ():
                read = True
                yield State(item, turn, event)
    if strange:
        raise InputError(str(strange)) if read else strange


def check_kind(content: Raw, head: Head, position: str) -> None:
    """Raise NoObjectError for what has no kind, and for a server's answer that it failed."""
    if not head.kind:
        raise NoObjectError(f"{position}: not a Kubernetes object, it has no kind")
    if head.kind == "Status" and (told := failure(content, position)):
        raise NoObjectError(f"{position}: holds no objects, but the server's answer: {told}")


def check_complete(outer: Kinded, metadata: Raw, position: str) -> None:
    """Raise InputError for a list of what we read that is one page of several."""
    known = readable_kinds().get((outer.api_version.rpartition("/")[0], outer.kind.removesuffix("List")))
    if known is None and outer.kind != "List":
        return
    meta: ListMeta = decode(metadata, ListMeta | None, f"{position}: metadata") or ListMeta()
    missing = meta.remaining_item_count or 0
    if not meta.next and missing <= 0:
        return
    noun = known.kind if known else "object"
    told = f"{plural(missing, noun)} {are(missing)} missing" if missing > 0 else "the others are missing"
    kinds = f"{known.kind.lower()}s" if known else "..."
    raise InputError(
        f"{position}: the {outer.kind} is one page of several: {told}; kubectl get {kinds} -A -o json dumps all pages"
    )


def hint(text: Text, name: str, tell: Tell) -> None:
    """Tell of a large text that takes long what would be read fast."""
    if len(text) >= LARGE:
        size = f"{name}: {len(text) >> 20} MB"
        tell(f"{size} that are not one list as kubectl prints it take long; one list of -o json is read fast")


def kubectl_list(text: Text, name: str, slow: Callable[[], None]) -> tuple[Iterator[Raw], Head] | None:
    """The members of a YAML list as kubectl prints it, and the list without them; None for any other text."""
    from . import kubectl_yaml  # which JSON does without

    found = kubectl_yaml.split(text, name, slow)
    if found is None:
        return None
    head: Head = decode(to_json(found[0], name), Head, name)
    if head.kind.endswith("List"):
        check_complete(head, head.metadata, name)
    return ((encode(item, name) for item in found[1]), head) if head.kind.endswith("List") else None


def to_json(entry: Any, name: str) -> Raw:
    """An object that came as YAML, or among several, as JSON like all others. Raises InputError."""
    if not isinstance(entry, dict):
        raise NoObjectError(f"{name}: holds {type(entry).__name__} where a Kubernetes object should be")
    return encode(entry, name)


def encode(value: Any, name: str) -> Raw:
    """Plain data as JSON. Raises InputError."""
    try:
        return Raw(msgspec.json.encode(value))
    except (TypeError, ValueError) as error:  # such as a list as the key of a mapping
        raise InputError(f"{name}: not a Kubernetes object ({error})") from None


def members(content: Raw, outer: Kinded, position: str, name: str) -> Iterator[Item]:
    """The object itself, or the members of the list that it is, of lists in it too."""
    yield from expand(content, decode(content, Head, position), outer, position, name)


def expand(content: Raw, head: Head, outer: Kinded, position: str, name: str) -> Iterator[Item]:
    """The same for an object whose head is known."""
    if head.kind.endswith("List"):
        check_complete(head, head.metadata, position)
        yield from each_member(decode(head.items, list[Raw] | None, f"{position}: items") or (), head, position, name)
    else:
        yield from identify(content, head, outer, position, name)


def each_member(contents: Iterable[Raw], outer: Kinded, position: str, name: str) -> Iterator[Item]:
    """The members of a list, each read at once as an object of the kind of the one before."""
    readable = readable_kinds()
    known = readable.get((outer.api_version.rpartition("/")[0], outer.kind.removesuffix("List")))
    for index, content in enumerate(contents):
        item = recognize(content, known, outer, name, readable) if known else None
        if item is not None:
            yield item
            continue
        known = None
        for found in members(content, outer, f"{position}: items[{index}]", name):
            known = readable[found.group, found.kind]
            yield found


def recognize(
    content: Raw, known: Readable, outer: Kinded, name: str, readable: Mapping[tuple[str, str], Readable]
) -> Item | None:
    """The item for one object if it is one of that kind without any fault; None where that is left to `identify`."""
    try:
        found = known.decoder.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    group, _, version = (found.api_version or outer.api_version).rpartition("/")
    kind = found.kind or outer.kind.removesuffix("List")
    given = readable.get((group, kind))
    if given is None or given.key != known.key:
        return None
    namespace = (found.metadata.namespace or "default") if known.namespaced else ""
    if not is_dns_subdomain(found.metadata.name) or (namespace and not is_dns_subdomain(namespace)):
        return None
    return Item(kind, group, version, found.metadata.name, namespace, name, content, found)


def identify(content: Raw, head: Head, outer: Kinded, position: str, name: str) -> Iterator[Item]:
    """The item for one object; members of a `NodeList` may leave their kind to the list. Raises InputError."""
    kind = head.kind or outer.kind.removesuffix("List")
    if not kind:
        raise InputError(f"{position}: not a Kubernetes object, it has no kind")
    group, _, version = (head.api_version or outer.api_version).rpartition("/")
    known = readable_kinds().get((group, kind))
    if known is None:
        return
    meta = decode(head.metadata, Named | None, f"{position}: metadata") or Named()
    if not meta.name:
        raise InputError(f"{position}: {kind} without metadata.name")
    namespace = (meta.namespace or "default") if known.namespaced else ""
    for part in (meta.name, namespace) if namespace else (meta.name,):
        if not is_dns_subdomain(part):
            raise InputError(f"{position}: {part!r} cannot be the name of a {kind} or its namespace")
    yield Item(kind, group, version, meta.name, namespace, name, content)
