"""The products whose speakers are known, by the name that `--product` takes."""

from __future__ import annotations

from collections.abc import Mapping

from ..kube.kinds import CONTROLLER_REVISION, DAEMONSET, NODE, POD, Kind
from .openelb import OpenELB
from .product import Product

DEFAULT = "openelb"
"""The product that is assumed where the input tells of none."""

PRODUCTS: Mapping[str, Product] = {each.name: each for each in (OpenELB(),)}


def product_named(name: str) -> Product:
    """The product of that name; "" is the one that is assumed."""
    return PRODUCTS[name or DEFAULT]


def kinds_of(product: Product) -> dict[str, Kind]:
    """The kinds of Kubernetes and of a product by name."""
    return {kind.name: kind for kind in (NODE, POD, DAEMONSET, CONTROLLER_REVISION, *product.kinds)}
