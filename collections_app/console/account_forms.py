"""The forms of a person's own pages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

from tenants import limits
from tenants.access import Limit

F = TypeVar("F", bound=forms.BaseForm)
_DIGITS = 6
_LETTERS = 5  # an hour, to one account
POST = ThreadPoolExecutor(max_workers=1, thread_name_prefix="post")


def styled(form: F) -> F:
    """Put one of Django's own forms in the console's clothes."""
    form.label_suffix = ""
    for field in form.fields.values():
        field.widget.attrs["class"] = "form-control"
    return form


class CodeForm(forms.Form):
    """The six digits of an authenticator app."""

    code = forms.CharField(
        label=_("Code"),
        min_length=_DIGITS,
        max_length=_DIGITS,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Dress the widget."""
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["class"] = "form-control fp-code"


class PasswordForm(forms.Form):
    """One's password once more; wrong ones count as at the sign-in (django-axes)."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        """Keep who is asked."""
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_password(self) -> str:
        """Check it."""
        password: str = self.cleaned_data["password"]
        name = self._request.user.get_username()
        if authenticate(self._request, username=name, password=password) is None:
            raise forms.ValidationError(_("This is not your password."))
        return password


class ForgottenForm(PasswordResetForm):
    """Whom to send a link for a new password: nobody is sent more than a few in an hour, whoever asks."""

    def get_users(self, email: str) -> Iterator[User]:
        """Return whose address it is, if there is a letter left for them."""
        for user in super().get_users(email):
            if limits.passes(Limit(f"letters to {user.pk}", Limit.HOUR, _LETTERS)):
                yield user

    def send_mail(self, *letter: Any, **more: Any) -> None:
        """Send it behind the answer, in its language: the mail server's time would tell whose address is known."""
        POST.submit(override(get_language())(super().send_mail), *letter, **more)
