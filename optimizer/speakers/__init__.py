"""The products whose speakers are known, by the name that `--product` takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..errors import InputError
from ..kube.kinds import CONTROLLER_REVISION, DAEMONSET, NODE, POD, Kind
from .openelb import OpenELB
from .product import Product
from .signs import Signs
from .unsupported import UNSUPPORTED, Unsupported

DEFAULT = "openelb"
"""The product that is assumed where the input says none."""

PRODUCTS: Mapping[str, Product] = {each.name: each for each in (OpenELB(),)}

NAMES = (*PRODUCTS, *(each.name for each in UNSUPPORTED))
"""All that `--product` takes; those that are no key of PRODUCTS cannot be placed yet."""


def strangers() -> list[Unsupported]:
    """The products that are recognised but cannot be placed."""
    return [each for each in UNSUPPORTED if each.name not in PRODUCTS]


def known_signs() -> list[tuple[str, Signs]]:
    """What tells the DaemonSet of each product, those first that can be placed."""
    given = [(each.name, each.signs) for each in PRODUCTS.values()]
    return given + [(each.name, each.signs) for each in strangers()]


def title_of(name: str) -> str:
    """A product as sentences name it."""
    titles = {each.name: each.title for each in UNSUPPORTED} | {each.name: each.title for each in PRODUCTS.values()}
    return titles.get(name, name)


def supported() -> str:
    """Which products can be placed, as the end of a sentence.

    >>> supported()
    'supported: OpenELB'
    """
    return f"supported: {', '.join(each.title for each in PRODUCTS.values())}"


def product_named(name: str) -> Product:
    """The product of that name; "" is the one that is assumed. Raises InputError for one that cannot be placed."""
    found = PRODUCTS.get(name or DEFAULT) if isinstance(name, str | None) else None
    if found is None:
        what = "is not supported yet" if name in NAMES else "is not known"
        raise InputError(f"the product {name!r} {what}; supported: {', '.join(PRODUCTS)}")
    return found


def check_made_for(expected: str, asked: str, file: str) -> None:
    """Raise InputError where a placement, that of `file` if any, is for a product that cannot be placed or is not the
    one that the user asks for; both may be "". For this nothing but the placement needs to be read."""
    place = f"{file}: " if file else ""
    if asked and expected and asked != expected:
        raise InputError(f"{place}the placement is for {expected}, and not for {asked}, which --product names")
    if expected and expected not in PRODUCTS:
        what = "is not supported yet" if expected in NAMES else "is not known"
        raise InputError(f"{place}the placement is for {expected}, which {what}; supported: {', '.join(PRODUCTS)}")


def choose_product(seen: Collection[str], asked: str = "", expected: str = "", file: str = "") -> tuple[Product, bool]:
    """Whose speakers they are, and whether that is only assumed.

    `seen` are the products of which the input holds objects, `asked` is the one that the user names, whatever is seen,
    and `expected` the one that a placement was made for, that of `file` if any. Raises InputError where these
    contradict each other, and where several are seen and none is named.
    """
    check_made_for(expected, asked, file)
    if asked or (expected and (expected in seen or not seen)):
        return product_named(asked or expected), False
    listed = " and ".join(sorted(seen))
    if expected:
        place = f"{file}: " if file else ""
        raise InputError(f"{place}the placement is for {expected}, the objects in the input are those of {listed}")
    if len(seen) > 1:
        raise InputError(
            f"the input holds objects of {listed}: say with --product which of them the speakers belong to"
        )
    return product_named(next(iter(seen), "")), not seen


def kinds_of(product: Product) -> dict[str, Kind]:
    """The kinds of Kubernetes and of a product by name."""
    return {kind.name: kind for kind in (NODE, POD, DAEMONSET, CONTROLLER_REVISION, *product.kinds)}
