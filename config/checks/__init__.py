"""The one list of checks: /readyz, `manage.py doctor`, the operator's dashboard and /metrics read it.

A check is a function that yields findings. /readyz runs the checks that a function of the product depends on, and
fails if one of them finds an error; its sentences are public, so an error of such a check names no host and no path.
The other checks are for the operator only, and may be slower.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from tenants import rls


class Severity(IntEnum):
    """How bad a finding is; the numbers are the exit status of `manage.py doctor`."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, as a sentence; `remedy` is what to do. `detail` is the error itself, for the operator."""

    severity: Severity
    text: str
    remedy: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check, by its name. `functions` of the product fail if it finds an error; `remedy` applies if it raises."""

    name: str
    find: Callable[[], Iterator[Finding]]
    functions: frozenset[str] = field(default=frozenset())
    remedy: str = ""

    def findings(self) -> tuple[Finding, ...]:
        """Run the check; an exception is an error: what was checked does not answer."""
        try:
            with rls.all_tenants():
                return tuple(self.find())
        except Exception as error:  # noqa: BLE001 -- any error means that it does not work
            text = f"It does not answer ({type(error).__name__})."
            return (Finding(Severity.ERROR, text, self.remedy, " ".join(str(error).split())),)


def ok(text: str) -> Finding:
    """Return the finding that something is as it should be."""
    return Finding(Severity.OK, text)


def warning(text: str, remedy: str) -> Finding:
    """Return the finding of a fault that does harm later, or to a part of the product."""
    return Finding(Severity.WARNING, text, remedy)


def error(text: str, remedy: str) -> Finding:
    """Return the finding of a fault that does harm now."""
    return Finding(Severity.ERROR, text, remedy)


def worst(findings: tuple[Finding, ...]) -> Severity:
    """Return the worst severity."""
    return max((finding.severity for finding in findings), default=Severity.OK)
