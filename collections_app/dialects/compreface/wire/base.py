"""What CompreFace's bodies share: scalars of queries and forms, subjects' names, and the refusal."""

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.openapi import Text, example
from collections_app.operations.references import AnyCase

_MOST = 2**31 - 1  # the vendor's integers have 32 bits
_YES, _NO = frozenset({"true", "on", "yes", "1"}), frozenset({"false", "off", "no", "0"})
_DIGITS = 5


class Count(serializers.IntegerField):
    """A whole number of a query or a form."""

    def __init__(self, *, least: str = "", **kwargs: Any) -> None:
        """Bound it; `least` is the vendor's text for a number that is too small."""
        messages = {"min_value": f"{least}; "} if least else {}
        super().__init__(max_value=_MOST, error_messages={**messages, "max_value": "too large"}, **kwargs)


@extend_schema_field({"type": "number", "minimum": 0, "maximum": 1})
class Share(serializers.FloatField):
    """A confidence, 0 to 1."""

    default_error_messages = {"share": "is not between 0 and 1"}

    def to_internal_value(self, data: Any) -> float:
        """Return the number; refuse one beyond the bounds with the error code `share`."""
        value: float = super().to_internal_value(data)
        return value if 0 <= value <= 1 else self.fail("share")


@extend_schema_field({"type": "boolean"})
class Flag(serializers.Field[Any, Any, Any, Any]):
    """A boolean of a query or a form, in the spellings that the vendor's server reads."""

    default_error_messages = {"invalid": "is neither true nor false"}

    def to_internal_value(self, data: Any) -> bool:
        """Return the value."""
        word = str(data).lower()
        return word in _YES if word in _YES | _NO else self.fail("invalid")


class Component(serializers.FloatField):
    """A number of an embedding."""

    def to_internal_value(self, data: Any) -> float:
        """Refuse texts, booleans, and numbers that no embedding has."""
        if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) < _MOST:
            self.fail("invalid")
        return float(data)


class Subject(Text):
    """A subject's name, which is a person's reference; upper and lower case are the same (decision C4)."""

    default_error_messages = {"blank": "Subject name is empty; "}

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the name; only a field that allows it may be blank."""
        name = super().run_validation(data)
        if not self.allow_blank and not name.strip():
            self.fail("blank")
        return AnyCase(name)


@example({"message": "No face is found in the given image", "code": 28})
class Refusal(serializers.Serializer[Any]):
    """The answer to a failure."""

    message = serializers.CharField()
    code = serializers.IntegerField()


def similarity(score: float | None) -> float:
    """Convert a score to the contract's scale of 0 to 1; none counts as 0 (decisions R15 and R19)."""
    return round((score or 0) / 100, _DIGITS)


def probability(confidence: float) -> float:
    """Return a detector's confidence with the contract's digits."""
    return round(float(confidence), _DIGITS) if math.isfinite(confidence) else 0.0
