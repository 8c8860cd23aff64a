"""What `import optimizer` offers of exports."""

from __future__ import annotations

from ..plan.plan import Case
from .export import Export, Format, export_plan


def export(plan: Case, format: Format = "kubectl") -> Export:  # noqa: A002
    """The files that carry a plan out; `write` of the result puts them into a folder.

    Raises InputError for what the input lacks, OutputError for an object that is too large for Kubernetes, and
    InternalError where the files, carried out in memory, do not give exactly the placement.
    """
    return export_plan(plan, format)
