"""What tells whose a workload is: its labels, its images, its name. Any one of them is enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from ..errors import InputError
from ..kube.item import Item
from ..kube.objects import Meta, Partial
from ..kube.parse import as_mapping, entries


class Signs(Struct, frozen=True):
    """The signs of a product's DaemonSet or Deployment, in which `*` stands for any text.

    `labels` are sets of labels; it bears one where all of it are on the object, in its selector or on its pods.
    `images` are the last parts of an image's path, registry, tag and digest left aside. `names` are `name` or
    `namespace/name`.
    """

    labels: tuple[Mapping[str, str], ...] = ()
    images: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Workload(Struct, frozen=True):
    """A DaemonSet or Deployment, as far as it tells whose it is: the labels of the object, its selector and its pods,
    and the images of its containers."""

    namespace: str
    name: str
    labels: tuple[Mapping[str, str], ...] = ()
    images: tuple[str, ...] = ()


class Labelled(Partial):
    """The labels of an object's metadata."""

    labels: dict[str, str] | None = None


class Selecting(Partial):
    """A selector."""

    match_labels: dict[str, str] | None = None


class Image(Partial):
    """A container."""

    image: str | None = None


class Containers(Partial):
    """The containers of a pod."""

    containers: list[Image] | None = None


class Pods(Partial):
    """The template of a workload's pods."""

    metadata: Labelled | None = None
    spec: Containers | None = None


class Spec(Partial):
    """What a workload selects, and what it makes."""

    selector: Selecting | None = None
    template: Pods | None = None


class WorkloadObject(Partial):
    """The fields that tell whose it is, each of which may be missing."""

    metadata: Meta
    spec: Spec | None = None


def workload_of(item: Item) -> Workload:
    """The workload in an object of an input, as far as it can be read: others may leave anything in theirs."""
    try:
        found = item.load(WorkloadObject)
    except InputError:
        return odd_workload(item)
    spec = found.spec or Spec()
    pods, selector = spec.template or Pods(), spec.selector or Selecting()
    given = (found.metadata.labels, selector.match_labels, (pods.metadata or Labelled()).labels)
    images = (each.image for each in (pods.spec or Containers()).containers or ())
    return Workload(item.namespace, item.name, tuple(filter(None, given)), tuple(filter(None, images)))


def odd_workload(item: Item) -> Workload:
    """What can be read of a workload in which something is odd."""
    content = item.manifest()
    spec = as_mapping(content.get("spec"))
    pods, selector = as_mapping(spec.get("template")), as_mapping(spec.get("selector"))
    metadata = (as_mapping(content.get("metadata")), as_mapping(pods.get("metadata")))
    given = [as_mapping(each.get("labels")) for each in metadata] + [as_mapping(selector.get("matchLabels"))]
    labels = [{key: value for key, value in each.items() if isinstance(value, str)} for each in given]
    images = [each.get("image") for each in entries(as_mapping(pods.get("spec")).get("containers"))]
    named = tuple(each for each in images if isinstance(each, str))
    return Workload(item.namespace, item.name, tuple(filter(None, labels)), named)


def bears_labels(labels: Mapping[str, str], signs: Signs) -> bool:
    """Whether labels hold one of the sets of labels whole."""
    return any(all(matches(labels.get(key), value) for key, value in each.items()) for each in signs.labels)


def matches(value: str | None, pattern: str) -> bool:
    """Whether there is a value, and it fits the pattern."""
    return value is not None and (value == pattern or ("*" in pattern and fnmatchcase(value, pattern)))


def bears_image(image: str, signs: Signs) -> bool:
    """Whether an image is one of those, from whatever registry.

    >>> signs = Signs(images=("acme/speaker",))
    >>> bears_image("mirror:5000/hub/acme/speaker:v1@sha256:0f", signs), bears_image("acme/speaker", signs)
    (True, True)
    >>> bears_image("acme/speaker-exporter:v1", signs), bears_image("speaker", signs)
    (False, False)
    """
    head, slash, last = image.partition("@")[0].rpartition("/")
    path = f"/{head}{slash}{last.partition(':')[0]}"
    return any(fnmatchcase(path, f"*/{each}") for each in signs.images)


def bears_name(namespace: str, name: str, signs: Signs) -> bool:
    """Whether a name is one of those.

    >>> bears_name("lb", "edge-acme-speaker", Signs(names=("*acme*-speaker",)))
    True
    """
    return any(fnmatchcase(f"{namespace}/{name}" if "/" in each else name, each) for each in signs.names)


def sign_of(workload: Workload, signs: Signs) -> str:
    """By what a workload is known to be of a product, the surest sign first; "" where it bears none.

    >>> sign_of(Workload("lb", "acme", images=("hub/acme:v1",)), Signs(images=("acme",), names=("acme",)))
    'its image'
    """
    if any(bears_labels(labels, signs) for labels in workload.labels):
        return "its labels"
    if any(bears_image(image, signs) for image in workload.images):
        return "its image"
    return NAME if bears_name(workload.namespace, workload.name, signs) else ""


NAME = "its name"


def whose(workload: Workload, known: Iterable[tuple[str, Signs]]) -> tuple[str, str]:
    """The product whose signs a workload bears, and which; a name counts only where nothing surer speaks for another.

    ("", "") where there is none.
    """
    borne = [(product, sign) for product, signs in known if (sign := sign_of(workload, signs))]
    return min(borne, key=lambda each: each[1] == NAME, default=("", ""))
