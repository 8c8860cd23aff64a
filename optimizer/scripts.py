"""Steps as POSIX shell scripts that need kubectl alone, with one file for each change.

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
from typing import Any

from msgspec import Struct

from .manifests import Change, Create, Delete, Key, Label, Objects, Patch, TaintNodes, key_of, make
from .plan import Wait
from .speakers import openelb

FUNCTIONS = r"""# Functions of the scripts beside this file; they need kubectl and the tools of POSIX.
# What they take from the environment:
#
#   KUBECTL          the kubectl to use, maybe with options                         kubectl
#   TIMEOUT          seconds to wait for speakers and for sessions; 0: do not wait  300
#   ROLLOUT_TIMEOUT  seconds to wait until all speakers have restarted
#   STATUS_PERIOD    seconds until the status of a BgpPeer can be believed
#   INTERVAL         seconds between two looks                                      5

KUBECTL="${KUBECTL:-kubectl}" LC_ALL=C
export KUBECTL LC_ALL
TIMEOUT="${TIMEOUT:-300}" INTERVAL="${INTERVAL:-5}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '%s\n' "$*"; }

stop() {
    printf 'stopped: %s\n' "$*" >&2
    exit 1
}

# lines FILE: its lines without the comment at the top
lines() { sed '/^#/d' "$1"; }

# on_nodes COMMAND CHANGE: label or taint the nodes given on stdin, a hundred at a time
on_nodes() {
    xargs -n 100 sh -c '
        [ $# -gt 2 ] || exit 0
        command=$1 change=$2
        shift 2
        $KUBECTL "$command" nodes "$@" "$change" --overwrite >/dev/null' sh "$1" "$2"
}

# existing FILE: the nodes of FILE that still exist, each with the keys of its NoSchedule taints
existing() {
    lines "$1" | xargs -n 100 sh -c '
        [ $# -gt 0 ] || exit 0
        $KUBECTL get nodes "$@" --ignore-not-found --no-headers \
            -o "custom-columns=N:.metadata.name,T:.spec.taints[?(@.effect==\"NoSchedule\")].key"' sh >"$work/existing"
}

# label FILE KEY=VALUE, taint FILE KEY=VALUE:EFFECT: a node that is gone is an error, nothing has been removed yet
label() { lines "$1" | on_nodes label "$2"; }
taint() { lines "$1" | on_nodes taint "$2"; }

# unlabel FILE KEY, untaint FILE KEY: a node that is gone, or has it no more, needs nothing
unlabel() {
    existing "$1"
    awk '{ print $1 }' "$work/existing" | on_nodes label "$2-"
}
untaint() {
    existing "$1"
    awk -v key="$2" '{ n = split($2, keys, ","); for (i = 1; i <= n; i++) if (keys[i] == key) { print $1; break } }' \
        "$work/existing" | on_nodes taint "$2:NoSchedule-"
}

# create FILE OBJECT: unless it is there
create() {
    file=$1
    shift
    found=$($KUBECTL get "$@" --ignore-not-found -o name)
    if [ -n "$found" ]; then say "  already there: $found"; else $KUBECTL create -f "$file"; fi
}

# delete OBJECT: if it is there
delete() { $KUBECTL delete "$@" --ignore-not-found --timeout="${TIMEOUT}s"; }

# holds NAME FIELDS OBJECT: whether the fields are as the change NAME or a later one leaves them
holds() {
    name=$1 fields=$2
    shift 2
    now=$($KUBECTL get "$@" --ignore-not-found -o "jsonpath=$fields") || stop "kubectl get $* failed"
    printf '%s\t%s\n' "$name" "$now" >"$work/now"
    grep -qxFf "$work/now" "$states"
}

# patch_json FILE FIELDS OBJECT: its `test` would fail where it has been applied before
patch_json() {
    if holds "$@"; then
        say "  already done: $1"
    else
        file=$1
        shift 2
        $KUBECTL patch "$@" --type=json --patch-file "$file"
    fi
}

# patch_merge FILE OBJECT
patch_merge() {
    file=$1
    shift
    $KUBECTL patch "$@" --type=merge --patch-file "$file"
}

# expect SENTENCE NAME FIELDS OBJECT: stop with the sentence unless the change NAME has been made
expect() {
    sentence=$1
    shift
    holds "$@" && return
    say "expected, one of:" && grep "^$1	" "$states" | cut -f 2
    say "found:" && cut -f 2 "$work/now"
    stop "$sentence"
}

list_speakers() {
    $KUBECTL get pods -n "$namespace" -l "$pods" -o go-template='{{range .items}}{{$node := .spec.nodeName
        }}{{if not .metadata.deletionTimestamp}}{{with .status}}{{range .conditions}}{{if and (eq .type "Ready"
        ) (eq .status "True")}}{{$node}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}'
}

list_sessions() { $KUBECTL get "$peers" -o go-template="$sessions"; }

# poll LIST FILE WHAT SENTENCE: until LIST prints every line of FILE
poll() {
    say "  waiting for $3"
    lines "$2" >"$work/wanted"
    deadline=$(($(date +%s) + TIMEOUT))
    while :; do
        # A look that fails is not the end: there may be another one before the time is over.
        "$1" >"$work/listed" || :
        sort -u "$work/listed" >"$work/found"
        comm -23 "$work/wanted" "$work/found" >"$work/missing"
        [ -s "$work/missing" ] || return 0
        [ "$(date +%s)" -lt "$deadline" ] || break
        sleep "$INTERVAL"
    done
    head -n 10 "$work/missing" >&2
    stop "$(grep -c '' "$work/missing") of $(grep -c '' "$work/wanted") $3 are missing after $TIMEOUT s" \
        "(the first are listed above). $4"
}

# wait_speakers FILE SENTENCE
wait_speakers() {
    [ "$TIMEOUT" -gt 0 ] || return 0
    if [ -n "$daemonset" ]; then
        $KUBECTL rollout status daemonset "$daemonset" -n "$namespace" --timeout="${ROLLOUT_TIMEOUT}s" ||
            stop "the speakers have not restarted within $ROLLOUT_TIMEOUT s. $2"
    fi
    poll list_speakers "$1" "ready speakers" "$2"
}

# wait_sessions FILE SENTENCE
wait_sessions() {
    [ "$TIMEOUT" -gt 0 ] || return 0
    # A speaker writes the state of its sessions every 30 s, and what it wrote before a restart stays until then.
    sleep "$STATUS_PERIOD"
    poll list_sessions "$1" "established sessions" "$2"
}
"""

FIELDS = {
    "BgpPeer": "{.spec.conf.neighborAddress} {.spec.nodeSelector}",
    "DaemonSet": "{.spec.template.spec.nodeSelector} {.spec.template.spec.affinity} {.spec.template.spec.tolerations}",
}
"""The fields that patches change, as kubectl's jsonpath prints them."""

RESOURCES = {"BgpPeer": openelb.RESOURCE, "DaemonSet": "daemonsets.apps"}


class Target(Struct, frozen=True):
    """What the waits of all scripts look at; `speakers` may all have to restart, one after another."""

    namespace: str
    daemonset: str
    pods: Mapping[str, str]
    on_delete: bool
    speakers: int

    def setting(self) -> str:
        """The variables that functions.sh needs."""
        return "\n".join(
            (
                f"namespace={shlex.quote(self.namespace)}",
                f"pods={shlex.quote(','.join(f'{key}={value}' for key, value in sorted(self.pods.items())))}",
                f"peers={openelb.RESOURCE}",
                f"sessions={shlex.quote(openelb.SESSIONS)}",
                f'STATUS_PERIOD="${{STATUS_PERIOD:-{openelb.STATUS_PERIOD}}}"',
                f'ROLLOUT_TIMEOUT="${{ROLLOUT_TIMEOUT:-{300 + 60 * self.speakers}}}"',
                # With the strategy OnDelete kubectl knows no rollout, and no edit restarts a pod.
                f"daemonset={'' if self.on_delete else shlex.quote(self.daemonset)}",
            )
        )


def commented(comment: str, body: str) -> str:
    """A file that says in its first lines what it is."""
    return "".join(f"# {line}\n" for line in comment.splitlines()) + body.rstrip("\n") + "\n"


def document(comment: str, data: Any) -> str:
    """Data as a YAML file: JSON below a comment, since YAML would take some strings for numbers."""
    return commented(comment, json.dumps(data, indent=2))


def state(found: Mapping[str, Any] | None, kind: str) -> str:
    """What kubectl's jsonpath prints for the FIELDS of an object; nothing where there is no such object."""
    if found is None:
        return ""
    if kind == "DaemonSet":
        pod = found["spec"]["template"]["spec"]
        # The API server drops the first and the last where they are empty.
        values = [pod.get("nodeSelector") or None, pod.get("affinity"), pod.get("tolerations") or None]
    else:
        values = [found["spec"]["conf"]["neighborAddress"], found["spec"].get("nodeSelector")]
    shown = ("" if value is None else value if isinstance(value, str) else compact(value) for value in values)
    return " ".join(shown)


def compact(value: Any) -> str:
    """JSON as Go writes it: no spaces, keys sorted."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


class Script:
    """One script under construction: its lines, the files that it reads, and the objects as it leaves them."""

    def __init__(self, comment: str, target: Target, objects: Objects, folder: str = "") -> None:
        self.comment, self.target, self.objects, self.folder = comment, target, dict(objects), folder
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
                fields = f" {shlex.quote(FIELDS[kind])}" if type_ == "json" else ""
                return f"patch_{type_} {file}{fields} {reference(kind, namespace, name)}"
            case Create(manifest):
                kind, namespace, name = key_of(manifest)
                file = self.write(f"{place}-create-{kind.lower()}-{name[:100]}.yaml", f"{why}: {kind} {name}", manifest)
                self.made(change)
                return f"create {file} {reference(kind, namespace, name)}"
            case Delete(kind, namespace, name):
                self.made(change)
                return f"delete {reference(kind, namespace, name)}"

    def write(self, name: str, comment: str, data: Any) -> str:
        """Keep a file of the script; a tuple is a list of lines."""
        path = self.folder + name
        self.files[path] = commented(comment, "\n".join(data)) if isinstance(data, tuple) else document(comment, data)
        return path

    def made(self, change: Change, mark: str = "") -> None:
        """Note what a change leaves, and under `mark` that this and what comes later means that it has been made."""
        make(self.objects, change)
        if isinstance(change, Label | TaintNodes):
            return
        key = key_of(change.manifest) if isinstance(change, Create) else (change.kind, change.namespace, change.name)
        if mark:
            self.marks.append((mark, key, len(self.history[key])))
        self.history[key].append(state(self.objects.get(key), key[0]))

    def expect(self, key: Key, sentence: str) -> None:
        """Stop with the sentence unless the object is by now as the script's objects have it."""
        mark = f"{key[0]} {key[2]}"
        self.marks.append((mark, key, max(len(self.history[key]) - 1, 0)))
        self.history[key] = self.history[key] or [state(self.objects.get(key), key[0])]
        self.body += [
            "",
            f"expect {shlex.quote(sentence)} {shlex.quote(mark)} {shlex.quote(FIELDS[key[0]])} {reference(*key)}",
        ]

    def wait(self, wait: Wait, speakers: Iterable[str], sessions: Iterable[str], sentence: str) -> None:
        """Wait until these speakers run and, for "established", these sessions (`node peer`) are up."""
        if not wait:
            return
        self.body.append("")
        for what, names in (("speakers", speakers), ("sessions", sessions if wait == "established" else ())):
            if lines := tuple(sorted(names)):
                file = f"{self.folder}{what}.txt"
                self.files[file] = commented(f"the {what} that must be up before the script goes on", "\n".join(lines))
                self.body.append(f"wait_{what} {file} {shlex.quote(sentence)}")

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
                    "set -eu",
                    'cd -- "$(dirname -- "$0")"',
                    self.target.setting(),
                    f"states={states}",
                    ". ./functions.sh",
                    *self.body,
                    "",
                    f"say {shlex.quote(last)}",
                    "",
                )
            ),
        }


def reference(kind: str, namespace: str, name: str) -> str:
    """An object as kubectl's arguments."""
    return f"{RESOURCES[kind]} {name}" + (f" -n {namespace}" if namespace else "")
