"""Random identifiers, and the field that keeps an identifier's comparison key."""

import secrets
import uuid
from typing import Any

from django.db import models

from collections_app import identifiers


def new_uuid() -> str:
    """Return a random UUID as text, so that a list can be filtered by a part of it."""
    return str(uuid.uuid4())


def new_alias() -> str:
    """Return 16 random hex digits: unguessable, and unique over all tenants (decision N6)."""
    return secrets.token_hex(8)


class KeyField(models.CharField):  # type: ignore[type-arg]  # generic to the type checker only
    """The comparison key of the identifier in the field `of` (collections_app.identifiers)."""

    def __init__(self, *args: Any, of: str = "", **kwargs: Any) -> None:  # noqa: ANN401 -- a field's
        """Keep the name of the other field."""
        self._of = of
        super().__init__(*args, **{"max_length": identifiers.LONGEST, "editable": False, "default": "", **kwargs})

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: FBT001 -- Django's signature
        """Compute the key."""
        key = identifiers.comparison_key(getattr(model_instance, self._of))
        setattr(model_instance, self.attname, key)
        return key

    def deconstruct(self) -> Any:  # noqa: ANN401 -- Django's signature
        """Appear to migrations as a plain CharField."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class FoldedField(KeyField):
    """The folded key of the identifier in the field `of`; several rows may have the same."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- a field's
        """Make it as long as folding can make an identifier."""
        super().__init__(*args, **{"max_length": 3 * identifiers.LONGEST, **kwargs})

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: FBT001 -- Django's signature
        """Compute the key."""
        key = identifiers.folded_key(getattr(model_instance, self._of))
        setattr(model_instance, self.attname, key)
        return key
