"""What README.txt says in every format: what the scripts need, how to look first, and what they do not look at."""

from __future__ import annotations

from ..plan.plan import Plan


def notes(plan: Plan) -> str:
    """The last paragraphs of README.txt."""
    return NOTES.format(period=plan.product.probes().period).strip()


NOTES = """
Use `bgp-speakers apply` where you can: these scripts look at sessions only, not at what is announced in them, and start
speakers together, some of which may then announce nothing although their sessions are up. After them, look at a router.

The scripts change the cluster of kubectl's current context: check `kubectl config current-context`. To look without
changing anything: `bgp-speakers plan`, or a single file by `kubectl patch KIND NAME --type TYPE --patch-file FILE
--dry-run=server -o yaml` (kind and name as in the script; the type is that of its line, patch_json or patch_merge).

They need kubectl, the usual tools of POSIX (sh, awk, sed, sort, comm, xargs ...), mktemp, and the rights of
bgp-speakers' examples/live/rbac.yaml. They run from any folder and can be run again; functions.sh names the settings
that they take from the environment, such as KUBECTL and TIMEOUT. With TIMEOUT=0 they do not wait, and speakers do not
restart in rounds: a DaemonSet with the strategy RollingUpdate restarts them without a look at their sessions.

A round of restarts takes at least {period} s (STATUS_PERIOD), until what is reported of sessions can be believed.

speakers.txt and sessions.txt are what a script waits for. There is no sessions.txt where none can be waited for: there
are no sessions, or, on the way back, two peer objects have one address, so that nobody can tell whose were up.
*-states.txt are how objects look after each change, by which a script that is run again knows what is done.
"""
