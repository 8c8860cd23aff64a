"""The way back: steps that take steps back, the last one first."""

from __future__ import annotations

from collections.abc import Sequence

from .steps import Step
from .template import edits_template


def inverse_steps(steps: Sequence[Step]) -> tuple[Step, ...]:
    """What takes the steps back; those that have nothing to be taken back are left out.

    What had to be settled before a step must be so before what follows its inverse: the labels that a template asks
    for were there before it, and are there until the template before it is known.
    """
    back: list[Step] = []
    settled = False
    for step in reversed(steps):
        if step.undo:
            back.append(Step(step.name, step.why_back, (step.undo,), needs=step.needs_back, settled=settled))
        settled = step.settled or (settled and not step.undo)
    return tuple(back)


def ends_with_template(steps: Sequence[Step]) -> bool:
    """Whether the last of the steps edits the DaemonSet's template: what comes after them waits until that is known."""
    return bool(steps) and any(map(edits_template, steps[-1].changes))
