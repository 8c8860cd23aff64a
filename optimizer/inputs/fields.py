"""What a field of a file format means and which values it takes, for the format's JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Meta


def about(description: str, **schema: object) -> Meta:
    """A field's description and further keywords of JSON Schema.

    They change nothing in how files are read: readers check bounds themselves, with better sentences.
    """
    return Meta(description=description, extra_json_schema=dict(schema) if schema else None)


FROM_ZERO: Mapping[str, object] = {"minimum": 0, "maximum": 1_000_000}
FROM_ONE: Mapping[str, object] = {"minimum": 1, "maximum": 1_000_000}
AMOUNTS: Mapping[str, object] = {
    "propertyNames": {"pattern": "^(cpu|memory|ephemeral-storage|hugepages-[^/]+|[^/]+/[^/]+)$"}
}
