"""The forms of the account pages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.http import HttpRequest
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

from tenants import limits
from tenants.access import Limit

F = TypeVar("F", bound=forms.BaseForm)
_DIGITS = 6
_LONGEST_CODE = 40  # a recovery code with what people type between its parts
_MAILS = 5  # per account and hour
MAILER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")


def styled(form: F) -> F:
    """Give one of Django's own forms the console's style."""
    form.label_suffix = ""
    for field in form.fields.values():
        field.widget.attrs["class"] = "form-control"
    return form


class CodeForm(forms.Form):
    """The six digits of an authenticator app, or where that is accepted a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        min_length=_DIGITS,
        max_length=_LONGEST_CODE,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Set the widget's class."""
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["class"] = "form-control fp-code"


class PasswordForm(forms.Form):
    """The user's password, asked for again; wrong ones count as failed sign-ins (django-axes)."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        """Keep the request, whose user must enter the password."""
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_password(self) -> str:
        """Refuse a wrong password."""
        password: str = self.cleaned_data["password"]
        name = self._request.user.get_username()
        if authenticate(self._request, username=name, password=password) is None:
            raise forms.ValidationError(_("This is not your password."))
        return password


class AddressForm(PasswordForm):
    """The account's new mail address, and its password."""

    field_order = ("email", "password")
    email = forms.EmailField(label=_("New email"), max_length=254)

    def tell(self) -> None:
        """Tell the old address, in the page's language."""
        user = self._request.user
        text = _("The address of your account %(name)s was changed. If it was not you, ask your administrator at once.")
        sentence = str(text) % {"name": user.get_username()}
        if old := getattr(user, "email", ""):
            MAILER.submit(send_mail, "Faceplane", sentence, None, [old])


class ForgottenForm(PasswordResetForm):
    """Request a link for a new password; an account receives at most five mails an hour."""

    def get_users(self, email: str) -> Iterator[User]:
        """Yield the users with this address who may be sent another mail."""
        for user in super().get_users(email):
            if limits.passes(Limit(f"password mails to {user.pk}", Limit.HOUR, _MAILS)):
                yield user

    def send_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send the mail in a thread, in the page's language: the response time must not reveal known addresses."""
        MAILER.submit(override(get_language())(super().send_mail), *args, **kwargs)
