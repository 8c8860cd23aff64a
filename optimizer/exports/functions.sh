# shellcheck shell=sh
# The scripts set namespace, daemonset, pods, peers, sessions and states; the $ of templates is for kubectl, awk and sh.
# shellcheck disable=SC2016,SC2154

# Functions of the scripts beside this file; they need kubectl and the tools of POSIX.
# What they take from the environment:
#
#   KUBECTL          the kubectl to use, maybe with options                         kubectl
#   TIMEOUT          seconds to wait for speakers and for sessions                  300
#                    0: do not wait, and leave restarts to the DaemonSet, which looks at no session
#   STATUS_PERIOD    seconds until a report of a session can be believed
#   INTERVAL         seconds between two looks                                      5
#   SETTLE           seconds until the DaemonSet's controller has heard of labels   5

KUBECTL="${KUBECTL:-kubectl}" LC_ALL=C
export KUBECTL LC_ALL
TIMEOUT="${TIMEOUT:-300}" INTERVAL="${INTERVAL:-5}" SETTLE="${SETTLE:-5}"
work=$(mktemp -d)
trap 'ended $?' EXIT

say() { printf '%s\n' "$*"; }

# ended STATUS: clean up; after a failure say what the DaemonSet does not do by itself any more
ended() {
    rm -rf "$work"
    [ "$1" -ne 0 ] || return 0
    strategy='jsonpath={.spec.updateStrategy.type}'
    type=$($KUBECTL get daemonsets.apps "$daemonset" -n "$namespace" -o "$strategy") || return 0
    [ "$type" != OnDelete ] ||
        say "DaemonSet $daemonset has the update strategy OnDelete now: it restarts no pod by itself" >&2
}

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

# label FILE KEY=VALUE: a node that is gone is an error, nothing has been removed yet; on the way back it is left out
label() {
    if [ "${gone:-}" = skip ]; then
        existing "$1"
        awk '{ print $1 }' "$work/existing" | on_nodes label "$2"
    else
        lines "$1" | on_nodes label "$2"
    fi
}

# taint FILE KEY=VALUE:EFFECT: a node that is gone needs no taint
taint() {
    existing "$1"
    awk '{ print $1 }' "$work/existing" | on_nodes taint "$2"
}

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

# create FILE FIELDS OBJECT: unless it is there, as this file or a later change leaves it
create() {
    if holds "$@"; then
        say "  already there: $1"
    else
        [ -z "$found" ] || stop "$3 $4 exists already, but not as $1 has it: rename or delete one of them"
        $KUBECTL create -f "$1"
    fi
}

# delete NAME FIELDS OBJECT: if it is there, and only as these scripts leave it
delete() {
    if holds "$@"; then
        shift 2
        $KUBECTL delete "$@" --ignore-not-found --timeout="${TIMEOUT}s"
    else
        [ -z "$found" ] || say "  left alone, since it is not as these scripts make it: $3 $4"
    fi
}

# holds NAME FIELDS OBJECT: whether the object, if any is found, is as the change NAME or a later one leaves it
holds() {
    name=$1 fields=$2
    shift 2
    found=$($KUBECTL get "$@" --ignore-not-found -o name) || stop "kubectl get $* failed"
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
    if [ "${gone:-}" = skip ]; then
        $KUBECTL get nodes -o name | sed 's|^node/||' >"$work/nodes"
        awk 'NR == FNR { nodes[$1]; next } $1 in nodes' "$work/nodes" "$work/wanted" >"$work/there"
        mv "$work/there" "$work/wanted"
    fi
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
    poll list_speakers "$1" "ready speakers" "$2"
}

# wait_sessions FILE SENTENCE
wait_sessions() {
    [ "$TIMEOUT" -gt 0 ] || return 0
    # A speaker reports its sessions once in a while, and what it wrote before a restart stays until then.
    sleep "$STATUS_PERIOD"
    poll list_sessions "$1" "established sessions" "$2"
}

# newest_revision: the controller-revision-hash of the DaemonSet's current template. Once the controller has seen the
# object as it is now, the ControllerRevision with the highest number is that of the template.
newest_revision() {
    deadline=$(($(date +%s) + TIMEOUT))
    while :; do
        seen=$($KUBECTL get daemonsets.apps "$daemonset" -n "$namespace" \
            -o 'go-template={{if eq .metadata.generation .status.observedGeneration}}seen{{end}}') || seen=
        [ -z "$seen" ] || break
        [ "$(date +%s)" -lt "$deadline" ] || stop "DaemonSet $daemonset: the controller has not seen the change"
        sleep "$INTERVAL"
    done
    $KUBECTL get controllerrevisions.apps -n "$namespace" -l "$pods" -o go-template='{{range .items}}{{$one := .
        }}{{range .metadata.ownerReferences}}{{.kind}}/{{.name}} {{$one.revision}} {{index $one.metadata.labels
        "controller-revision-hash"}}{{"\n"}}{{end}}{{end}}' >"$work/revisions" || stop "kubectl get revisions failed"
    awk -v owner="DaemonSet/$daemonset" '$1 == owner { print $2, $3 }' "$work/revisions" |
        sort -n | tail -n 1 | cut -d ' ' -f 2
}

# settle: the controller hears of nodes and of the DaemonSet apart, and stops what seems to be on a node without the
# label: so it gets the time to hear of labels before the template asks for them, and of the template before they go
settle() {
    [ "$TIMEOUT" -eq 0 ] || newest_revision >/dev/null
    sleep "$SETTLE"
}

# outdated FILE ROUND HASH: the speaker pods on the nodes of that round that have another template
outdated() {
    lines "$1" | awk -v round="$2" '$1 == round { print $2 }' >"$work/round"
    $KUBECTL get pods -n "$namespace" -l "$pods" -o go-template='{{range .items}}{{$one := .
        }}{{if not .metadata.deletionTimestamp}}{{range .metadata.ownerReferences}}{{.kind}}/{{.name}} {{
        $one.spec.nodeName}} {{$one.metadata.name}} {{index $one.metadata.labels "controller-revision-hash"
        }}{{"\n"}}{{end}}{{end}}{{end}}' >"$work/pods" || stop "kubectl get pods failed"
    awk -v owner="DaemonSet/$daemonset" -v hash="$3" 'NR == FNR { nodes[$1]; next }
        $1 == owner && ($2 in nodes) && $4 != hash { print $3 }' "$work/round" "$work/pods" >"$work/outdated"
}

# restart_speakers FILE SPEAKERS SESSIONS SENTENCE: FILE has lines `round node`. Before each round everything that is
# listed in the files SPEAKERS and SESSIONS (may be empty) must be up, so an interrupted round is waited for as well.
restart_speakers() {
    if [ "$TIMEOUT" -eq 0 ]; then
        say "  left to the DaemonSet, since TIMEOUT is 0"
        return
    fi
    hash=$(newest_revision)
    [ -n "$hash" ] || stop "DaemonSet $daemonset: no ControllerRevision is found"
    for round in $(lines "$1" | cut -d ' ' -f 1 | uniq); do
        outdated "$1" "$round" "$hash"
        [ -s "$work/outdated" ] || continue
        wait_speakers "$2" "$4"
        [ -z "$3" ] || wait_sessions "$3" "$4"
        say "  round $round: $(grep -c '' "$work/outdated") speakers"
        # shellcheck disable=SC2086 # it may have options
        xargs -n 100 $KUBECTL delete pods -n "$namespace" --ignore-not-found --timeout="${TIMEOUT}s" <"$work/outdated"
    done
}
