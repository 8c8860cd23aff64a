"""The plan as files: kubectl scripts, a Kustomize component, or values for the product's Helm chart.

`export` is pure; `Export.write` puts its result into a folder at once or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ..errors import InputError, OutputError
from ..files import path_of, real_path, write_folder
from ..findings import Finding
from ..plan.hazards import change_hazards
from ..plan.plan import Plan
from ..plan.steps import Step
from ..words import nearest
from .check import check_export
from .helm import helm_files
from .kubectl import kubectl_files
from .kustomize import kustomize_files
from .notes import notes
from .sizes import check_sizes

Format = Literal["kubectl", "kustomize", "helm"]
FORMATS: tuple[Format, ...] = ("kubectl", "kustomize", "helm")

README = "README.txt"
MARK = "An export of bgp-speakers"
LIST = "All files of this export:"


class Export(Struct, frozen=True):
    """Relative paths and their text, those to be executable, hazards, and the steps behind them.

    No files and no steps where nothing is to change.
    """

    files: Mapping[str, str] = {}
    executable: frozenset[str] = frozenset()
    hazards: tuple[Finding, ...] = ()
    steps: tuple[Step, ...] = ()

    def write(self, directory: str | Path) -> None:
        """Put the files, if any, into `directory`, in the place of an earlier export; on an error nothing has changed.

        Raises InputError for what is no path, OutputError where the folder holds anything else or cannot be written.
        """
        target = path_of(directory, "the folder to write")
        if self.files:
            check_replaceable(real_path(target), target)
            write_folder(target, self.files, self.executable)


def export(plan: Plan, format_: Format = "kubectl") -> Export:
    """The files that bring the cluster to the placement; the same for the same plan, byte for byte.

    Raises InputError for a format that there is not and for what the input lacks, OutputError for an object that is
    too large for Kubernetes, and InternalError where the files, carried out in memory, do not give exactly the
    placement.
    """
    if not isinstance(plan, Plan):
        raise InputError(f"plan: expected what make_plan gives, got {type(plan).__name__}")
    if format_ not in FORMATS:
        raise InputError(f"format: {format_!r} is not known; {nearest(format_, FORMATS)}")
    if not plan.steps:
        return Export()
    too_large = check_sizes(plan, format_ == "kustomize")
    write_format = {"kubectl": kubectl_files, "kustomize": kustomize_files, "helm": helm_files}[format_]
    files, readme = write_format(plan)
    check_export(plan, files)
    told = f"{readme.strip()}\n\n{notes(plan)}"
    listed = "\n".join(f"  {name}" for name in sorted({*files, README}))
    known = plan.product.helm_hazards
    return Export(
        files=dict(sorted({**files, README: f"{MARK}: {told}\n\n{LIST}\n{listed}\n"}.items())),
        executable=frozenset(name for name, text in files.items() if text.startswith("#!")),
        hazards=(
            *change_hazards(plan),
            *([Finding("chart", known[plan.style])] if format_ == "helm" and plan.style in known else []),
            *too_large,
        ),
        steps=plan.steps,
    )


def check_replaceable(target: Path, shown: Path) -> None:
    """Raise OutputError unless the folder is absent, empty, or holds nothing but an earlier export."""
    try:
        if not target.exists() or (target.is_dir() and not any(target.iterdir())):
            return
        if not target.is_dir():
            raise OutputError(f"{shown}: is not a folder")
        readme = target / README
        text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
        if not text.startswith(MARK):  # so a large folder of somebody else's is not searched
            raise OutputError(f"{shown}: is not empty and no earlier export; name another folder")
        listed = {Path(line.strip()) for line in text.partition(LIST)[2].splitlines()}
        folders = {parent for path in listed for parent in path.parents}
        foreign = sorted(
            str(path.relative_to(target))
            for path in target.rglob("*")
            if path.is_symlink() or path.relative_to(target) not in (folders if path.is_dir() else listed)
        )
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{shown}: cannot be read ({error})") from None
    if foreign:
        raise OutputError(f"{shown}: holds {foreign[0]}, which is not of the export; move it or name another folder")
