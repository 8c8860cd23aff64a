"""The plan as values for OpenELB's Helm chart, with scripts for what the chart does not hold: labels and BgpPeers."""

from __future__ import annotations

import json

from ..kube.changes import key_of
from ..plan.plan import Case
from ..plan.template import pod_spec
from .kubectl import STYLE_FIELDS, is_template, split_files
from .script import commented

VALUES = """Values for OpenELB's Helm chart: on which nodes its speaker runs.
Lists are whole, since Helm replaces them, so what the DaemonSet had before is among them."""


def helm_files(case: Case) -> tuple[dict[str, str], str]:
    """The files, and what README.txt says of them."""
    files, _ = split_files(
        case,
        is_template,
        "",
        "The DaemonSet is not as values.yaml asks: run helm upgrade with it, then this script again.",
        "The DaemonSet is still as values.yaml asks: run helm rollback, then this script again.",
    )
    today, after = pod_spec(case.daemonset), pod_spec(case.after[key_of(case.daemonset)])
    lines = ["speaker:"]
    for name in ("nodeSelector", "affinity", "tolerations"):
        if name in STYLE_FIELDS[case.style] or today.get(name) != after.get(name):
            empty: object = [] if name == "tolerations" else {}
            body = json.dumps(after.get(name) or empty, indent=2).replace("\n", "\n  ")
            lines.append(f"  {name}: {body}")
    return {**files, "values.yaml": commented(VALUES, "\n".join(lines))}, README


README = """Helm

1. before.sh         labels the nodes of the new speakers and, for now, of those that leave, and lets sessions open
2. helm upgrade <release> <chart> -f <your values> -f values.yaml
                     (not with --reuse-values, which keeps keys that values.yaml no longer has)
3. after.sh          waits until the new speakers run and their sessions are established, restarts those that stay
                     where the template has changed, then removes what is no longer needed

The chart must not set spec.updateStrategy of the DaemonSet, or say OnDelete until after.sh is done: an edit of the
template under RollingUpdate would restart speakers without a look at their sessions. before.sh sets OnDelete and an
annotation with what was there, after.sh restarts the speakers in rounds and sets it again.

The way back: rollback.sh, which stops where helm rollback is due; then rollback.sh again. The scripts need kubectl
alone and can be run again; functions.sh names the settings that they take from the environment.
"""
