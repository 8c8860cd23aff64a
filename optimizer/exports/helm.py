"""The plan as values for the product's Helm chart, with scripts for what the chart does not hold: node labels and peer
objects."""

from __future__ import annotations

from ..errors import InputError
from ..plan.plan import Plan
from ..plan.template import edits_template, pod_spec, style_fields
from .around import Tool, around
from .script import document

VALUES = """Values for {}'s Helm chart: on which nodes its speaker runs.
Lists are whole, since Helm replaces them, so what the DaemonSet had before is among them."""

HELM = Tool(
    edits_template,
    "",
    "The DaemonSet is not as values.yaml asks: run helm upgrade with it, then this script again.",
    "The DaemonSet is still as values.yaml asks: run helm rollback, then this script again.",
)


def helm_files(plan: Plan) -> tuple[dict[str, str], str]:
    """The files, and what README.txt says of them. Raises InputError for a product whose DaemonSet stays as it is."""
    product = plan.product
    if plan.daemonset is None or not product.restrictable:
        raise InputError(f"{product.title} runs on every node, so its Helm chart has no values to be changed")
    files, _ = around(plan, HELM)
    today, after = pod_spec(plan.daemonset), pod_spec(plan.after[plan.daemonset_key])
    values = {
        name: after.get(name) or ([] if name == "tolerations" else {})
        for name in style_fields(plan.style, today, after)
    }
    return {**files, "values.yaml": document(VALUES.format(product.title), {product.helm_values: values})}, README


README = """Helm

1. before.sh         labels the nodes of the new speakers and, for now, of those that leave, and lets sessions open
2. helm upgrade <release> <chart> -f <your values> -f values.yaml
                     (not with --reuse-values, which keeps keys that values.yaml no longer has)
3. after.sh          waits until the new speakers run and their sessions are established, restarts those that stay
                     where the template has changed, then removes what is no longer needed

The chart must not set spec.updateStrategy of the DaemonSet, or say OnDelete until after.sh is done: an edit of the
template under RollingUpdate would restart speakers without a look at their sessions. before.sh sets OnDelete and an
annotation with what was there, after.sh restarts the speakers in rounds and sets it again.

The way back: rollback.sh, which stops where helm rollback is due; then rollback.sh again. To look first: helm upgrade
with --dry-run.
"""
