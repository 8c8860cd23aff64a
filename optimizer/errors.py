"""The exceptions of this package.

    OptimizerError
    ├── InputError        a file, an object or an option is wrong; the sentence names it        exit 1
    ├── OutputError       something could not be written                                        exit 1
    ├── NoAnswerError     the time limit ended before any placement was found                   exit 1
    ├── LiveError         the API server of a live cluster cannot be reached, or it refused     exit 1
    │   ├── MissingError      it does not have the object (404)
    │   ├── ConflictError     the object was changed meanwhile, or exists already (409)
    │   ├── RefusedError      it does not allow or accept the request (400, 403, 422, ...)
    │   ├── ForeignError      somebody else has changed what was to be changed; it is left as it is
    │   └── StoppedError      a move stopped on the way, in a safe state
    ├── ViolationError    a check of a given placement found a broken rule                      exit 4
    └── InternalError     our own answer failed our own check: a bug, and nothing was written   exit 1

An infeasible request is an answer, not an exception (exit 3).
"""

from __future__ import annotations

LONGEST = 2000
"""Characters of a sentence; what is longer is cut."""


class OptimizerError(Exception):
    """Base of all errors raised on purpose; `str(error)` is one sentence for the user, on one line."""

    exit_code = 1

    def __init__(self, sentence: str) -> None:
        # Names from the input may hold line breaks, terminal codes or megabytes.
        line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in sentence[: LONGEST + 1])
        super().__init__(line if len(line) <= LONGEST else f"{line[:LONGEST]} ...")


class InputError(OptimizerError):
    """A file, an object in it, or an option cannot be used as it is."""


class OutputError(OptimizerError):
    """A result could not be written."""


class NoAnswerError(OptimizerError):
    """The time limit ended before a first placement was found."""


class LiveError(OptimizerError):
    """An API server cannot be reached or refused; `status` is that of its answer in HTTP, 0 where there was none."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        self.status = status
        super().__init__(sentence)


class MissingError(LiveError):
    """The API server has no such object, or no such kind."""


class ConflictError(LiveError):
    """The object was changed or made anew meanwhile, or exists already."""


class RefusedError(LiveError):
    """The API server does not allow or accept the request; its reason is in the sentence."""


class ForeignError(LiveError):
    """Somebody else has changed an object of this kind since it was read; nothing was overwritten."""

    def __init__(self, kind: str, sentence: str) -> None:
        self.kind = kind
        super().__init__(sentence)


class StoppedError(LiveError):
    """A move of a live cluster stopped on the way, in a safe state; the sentence says where it stands."""


class ViolationError(OptimizerError):
    """A placement breaks a rule; `violations` holds one sentence for each."""

    exit_code = 4

    def __init__(self, violations: tuple[str, ...]) -> None:
        self.violations = violations
        shown = "; ".join(violations[:5])
        more = f"; and {len(violations) - 5} more" if len(violations) > 5 else ""
        super().__init__(f"the placement does not hold: {shown}{more}")


class InternalError(OptimizerError):
    """A result of ours failed an independent check of ours."""
