"""Steps as POSIX shell scripts that need kubectl and the tools of POSIX, with one file for each change.

`functions.sh` is the same in every export; a script sets what it needs from the export and then calls these
functions in order. Running a script again after an interruption is safe: labels and taints are set whatever
they were, and a JSON patch is left out where the object already is as this patch or a later one leaves it.
A file of states beside the script says how that is.
"""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, Literal

from msgspec import Struct

from ..kube.changes import Change, Create, Delete, Key, Label, Objects, Patch, Restart, TaintNodes, key_of, make
from ..plan.steps import Needs, Step
from ..speakers import kinds_of
from ..speakers.product import Product

TEMPLATE = "{.spec.template.spec.nodeSelector} {.spec.template.spec.affinity} {.spec.template.spec.tolerations}"
"""The fields of a DaemonSet that patches change, as kubectl's jsonpath takes them."""

UNUSED = (
    "# shellcheck disable=SC1091,SC2016,SC2034 # what is set here is for functions.sh, and the templates for kubectl"
)


class Watched(Struct, frozen=True):
    """What the scripts look at: the DaemonSet, its pods by their label selector as kubectl takes it, and the product's
    peer objects."""

    namespace: str
    daemonset: str
    pods: str
    product: Product

    def settings(self) -> list[str]:
        """The variables that functions.sh needs."""
        probes = self.product.probes()
        return [
            f"namespace={shlex.quote(self.namespace)}",
            f"daemonset={shlex.quote(self.daemonset)}",
            f"pods={shlex.quote(self.pods)}",
            f"peers={probes.resource}",
            f"sessions={shlex.quote(probes.sessions)}",
            f'STATUS_PERIOD="${{STATUS_PERIOD:-{probes.period}}}"',
        ]

    def fields(self, kind: str) -> str:
        """The fields of such objects that patches change, as kubectl's jsonpath takes them."""
        return TEMPLATE if kind == "DaemonSet" else self.product.probes().fields

    def state(self, found: Mapping[str, Any] | None) -> str:
        """What kubectl's jsonpath prints for these fields of an object; nothing where there is no such object."""
        if found is None:
            return ""
        if found["kind"] == "DaemonSet":
            pod = found["spec"]["template"]["spec"]
            # The API server drops the first and the last where they are empty.
            values = [pod.get("nodeSelector") or None, pod.get("affinity"), pod.get("tolerations") or None]
        else:
            values = [*self.product.probed(found)]
        shown = ("" if value is None else value if isinstance(value, str) else compact(value) for value in values)
        return " ".join(shown)

    def arguments(self, kind: str, namespace: str, name: str) -> str:
        """The fields that patches change and the object, as functions of functions.sh take them."""
        return f"{shlex.quote(self.fields(kind))} {self.reference(kind, namespace, name)}"

    def reference(self, kind: str, namespace: str, name: str) -> str:
        """An object as kubectl's arguments."""
        return f"{kinds_of(self.product)[kind].resource} {name}" + (f" -n {namespace}" if namespace else "")


class Awaited(Struct, frozen=True):
    """What a script waits for: speakers by node, sessions as `node peer`."""

    speakers: tuple[str, ...]
    sessions: tuple[str, ...]


def commented(comment: str, body: str) -> str:
    """A file that says in its first lines what it is."""
    return "".join(f"# {line}\n" for line in comment.splitlines()) + body.rstrip("\n") + "\n"


def document(comment: str, data: Any) -> str:
    """Data as a YAML file: JSON below a comment, since YAML would take some strings for numbers."""
    return commented(comment, json.dumps(data, indent=2))


def compact(value: Any) -> str:
    """JSON as Go writes it: no spaces, keys sorted."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def functions() -> str:
    """functions.sh, the same in every export: what the scripts call, in POSIX shell and with kubectl."""
    return resources.files(__package__).joinpath("functions.sh").read_text(encoding="utf-8")


class Script:
    """One script under construction: its lines, the files that it reads, and the objects as it leaves them."""

    def __init__(
        self, comment: str, watched: Watched, goal: Awaited, failed: str, objects: Objects, folder: str = ""
    ) -> None:
        self.comment, self.watched, self.objects, self.folder = comment, watched, dict(objects), folder
        self.goal, self.failed = goal, failed
        self.files: dict[str, str] = {}
        self.body: list[str] = []
        self.history: defaultdict[Key, list[str]] = defaultdict(list)
        self.marks: list[tuple[str, Key, int]] = []
        self.number = 0

    def run(self, why: str, changes: Sequence[Change], manual: Callable[[Change], bool] = lambda _: False) -> None:
        """Make the changes, but for the `manual` ones, which are made beside the script."""
        mine = [change for change in changes if not manual(change)]
        if mine:
            self.number += 10
            self.body += ["", f"say {shlex.quote(why)}"]
        digits, index = len(str(len(mine))), 0
        for change in changes:
            if manual(change):
                self.made(change)
                continue
            index += 1
            place = f"{self.number:02d}-{index:0{digits}d}" if len(mine) > 1 else f"{self.number:02d}"
            self.body.append(self.command(place, why, change))

    def carry_out(self, steps: Iterable[Step], sentence: str = "") -> None:
        """Make the changes of the steps, each once what it needs is up; else stop with the sentence."""
        for step in steps:
            if step.settled:
                self.settle()
            self.wait(step.needs, sentence)
            self.run(step.why, step.changes)

    def settle(self) -> None:
        """Give the DaemonSet's controller time to hear of what was changed."""
        self.body += ["", "settle"]

    def command(self, place: str, why: str, change: Change) -> str:
        """The line for one change; writes the file that it needs."""
        match change:
            case Label(key, value, nodes):
                file = self.write(f"{place}-{'unlabel' if value is None else 'label'}-nodes.txt", why, nodes)
                self.made(change)
                return f"unlabel {file} {key}" if value is None else f"label {file} {key}={value}"
            case TaintNodes(taint, present, nodes):
                file = self.write(f"{place}-{'taint' if present else 'untaint'}-nodes.txt", why, nodes)
                self.made(change)
                return (
                    f"taint {file} {taint.key}={taint.value}:{taint.effect}"
                    if present
                    else f"untaint {file} {taint.key}"
                )
            case Patch(kind, namespace, name, type_, body):
                file = self.write(
                    f"{place}-patch-{kind.lower()}-{name[:100]}.yaml", f"{why}: patch of {kind} {name}", body
                )
                self.made(change, file)
                if type_ == "json":
                    return f"patch_json {file} {self.watched.arguments(kind, namespace, name)}"
                return f"patch_merge {file} {self.watched.reference(kind, namespace, name)}"
            case Create(manifest):
                kind, namespace, name = key_of(manifest)
                file = self.write(f"{place}-create-{kind.lower()}-{name[:100]}.yaml", f"{why}: {kind} {name}", manifest)
                self.made(change, file)
                return f"create {file} {self.watched.arguments(kind, namespace, name)}"
            case Delete(kind, namespace, name):
                gone, mark = (kind, namespace, name), f"{place}-delete-{kind.lower()}-{name[:100]}"
                self.history[gone] = self.history[gone] or [self.watched.state(self.objects.get(gone))]
                self.marks.append((mark, gone, 0))
                self.made(change)
                return f"delete {shlex.quote(mark)} {self.watched.arguments(*gone)}"
            case Restart(rounds):
                nodes = tuple(f"{number} {name}" for number, names in enumerate(rounds, 1) for name in names)
                file = self.write(f"{place}-restart-nodes.txt", f"{why}: round and node", nodes)
                files = [self.list_file("speakers"), self.list_file("sessions") or "''"]
                return f"restart_speakers {file} {' '.join(files)} {shlex.quote(self.failed)}"

    def write(self, name: str, comment: str, data: Any) -> str:
        """Keep a file of the script; a tuple is a list of lines."""
        path = self.folder + name
        self.files[path] = commented(comment, "\n".join(data)) if isinstance(data, tuple) else document(comment, data)
        return path

    def made(self, change: Change, mark: str = "") -> None:
        """Note what a change leaves, and under `mark` that this and what comes later means that it has been made."""
        make(self.objects, change)
        if isinstance(change, Label | TaintNodes | Restart):
            return
        key = key_of(change.manifest) if isinstance(change, Create) else (change.kind, change.namespace, change.name)
        if mark:
            self.marks.append((mark, key, len(self.history[key])))
        self.history[key].append(self.watched.state(self.objects.get(key)))

    def expect(self, key: Key, sentence: str) -> None:
        """Stop with the sentence unless the object is by now as the script's objects have it."""
        mark = f"{key[0]} {key[2]}"
        self.marks.append((mark, key, max(len(self.history[key]) - 1, 0)))
        self.history[key] = self.history[key] or [self.watched.state(self.objects.get(key))]
        self.body += [
            "",
            f"expect {shlex.quote(sentence)} {shlex.quote(mark)} {self.watched.arguments(*key)}",
        ]

    def list_file(self, what: Literal["speakers", "sessions"]) -> str:
        """The file that lists these of the goal; "" where there are none."""
        if not (names := self.goal.speakers if what == "speakers" else self.goal.sessions):
            return ""
        comment = f"the {what} that must be up before the script goes on"
        self.files[f"{self.folder}{what}.txt"] = commented(comment, "\n".join(sorted(names)))
        return f"{self.folder}{what}.txt"

    def wait(self, needs: Needs, sentence: str = "") -> None:
        """Wait until the goal's speakers run and, where "established" is needed, its sessions are up."""
        if not needs:
            return
        self.body.append("")
        for what in ("speakers", "sessions") if needs == "established" else ("speakers",):
            if file := self.list_file(what):
                self.body.append(f"wait_{what} {file} {shlex.quote(sentence or self.failed)}")

    def finish(self, name: str, last: str) -> dict[str, str]:
        """All files of the script, itself under `name`."""
        known = {f"{mark}\t{shown}": None for mark, key, start in self.marks for shown in self.history[key][start:]}
        states = f"{self.folder}{name.removesuffix('.sh')}-states.txt"
        if known:
            self.files[states] = commented(
                "how an object looks once a change (before the tab) or a later one has been made", "\n".join(known)
            )
        head = commented(self.comment, "")
        return {
            **self.files,
            name: "\n".join(
                (
                    "#!/bin/sh",
                    head.rstrip(),
                    UNUSED,
                    "set -eu",
                    'cd -- "$(dirname -- "$0")"',
                    *self.watched.settings(),
                    f"states={states}",
                    *(["gone=skip"] if self.folder == "rollback/" else []),
                    ". ./functions.sh",
                    *self.body,
                    "",
                    f"say {shlex.quote(last)}",
                    "",
                )
            ),
        }
