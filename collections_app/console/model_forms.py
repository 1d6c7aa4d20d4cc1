"""The form with which a collection's model is changed."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from collections_app.console.forms import ConsoleForm, offer
from collections_app.operations.model_changes import MOST_DAYS


class NewModelForm(ConsoleForm):
    """The pack to change to, and how long there is a way back."""

    pack = forms.ChoiceField(label=_("Model pack"))
    retention_days = forms.IntegerField(
        label=_("Days for which the old templates are kept after the switch"),
        min_value=0,
        max_value=MOST_DAYS,
        initial=7,
        help_text=_("So long the change can be rolled back. Then they are erased, with a receipt."),
    )

    def __init__(self, *args: Any, packs: tuple[str, ...], **kwargs: Any) -> None:
        """Offer the packs."""
        super().__init__(*args, **kwargs)
        offer(self, "pack", ((pack, pack) for pack in packs))
