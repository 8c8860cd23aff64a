"""What Kubernetes accepts as a name, a label key and a label value. Errors are `ValueError` with a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

NAME_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
DNS_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII)


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise ValueError for a label that no Kubernetes object can carry."""
    for key, value in labels.items():
        check_label_key(key)
        check_label_value(value)


def check_label_key(key: str) -> None:
    """Raise ValueError unless `key` is `[prefix/]name`, prefix a DNS subdomain <= 253, name <= 63 characters."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not DNS_SUBDOMAIN.fullmatch(prefix)):
        raise ValueError(f"{key[:80]!r} is not a label key: its prefix is not a DNS subdomain")
    if not NAME_PART.fullmatch(name):
        raise ValueError(f"{key[:80]!r} is not a label key (letters, digits, '-', '_', '.'; at most 63 characters)")


@lru_cache(maxsize=65536)
def check_label_value(value: str) -> None:
    """Raise ValueError unless `value` is empty or at most 63 characters, alphanumeric at both ends."""
    if value and not NAME_PART.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not a label value (letters, digits, '-', '_', '.'; at most 63 characters)")


def is_dns_subdomain(name: str) -> bool:
    """Whether `name` can be the name of an object such as a Node: a DNS subdomain of at most 253 characters."""
    return len(name) <= 253 and DNS_SUBDOMAIN.fullmatch(name) is not None
