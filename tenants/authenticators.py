"""Authenticator apps: the only code that sees a seed in plain text. django-otp computes codes and throttling."""

import hashlib
import os
import time
from base64 import b32encode
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django_otp.oath import TOTP

from tenants import vault
from tenants.models import Authenticator, RecoveryCode

RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_SEED_BYTES = 20
_TOLERANCE = 1  # steps of 30 seconds, before and after


def confirmed(user: User) -> bool:
    """Return whether a person has a confirmed authenticator."""
    return bool(Authenticator.objects.filter(user=user, confirmed=True).exists())


def offered(user: User) -> Authenticator:
    """Return the authenticator that is not confirmed yet; create it if there is none."""
    made = {"name": "authenticator", "wrapped_seed": vault.wrap(os.urandom(_SEED_BYTES), _context(user.pk))}
    device: Authenticator = Authenticator.objects.get_or_create(user=user, confirmed=False, defaults=made)[0]
    return device


def shown(device: Authenticator) -> tuple[str, str]:
    """Return what an app needs: the seed in base32, and the otpauth URL for a QR code.

    Raises:
        ValueError: the authenticator is confirmed; its seed is not shown again.
    """
    if device.confirmed:
        raise ValueError(device.pk)
    word = b32encode(_seed(device)).decode()
    issuer = settings.OTP_TOTP_ISSUER
    query = urlencode({"secret": word, "issuer": issuer}, quote_via=quote)
    return word, f"otpauth://totp/{quote(f'{issuer}:{device.user.get_username()}')}?{query}"


def verify(device: Authenticator, code: str) -> bool:
    """Return whether a code is current and unused; a wrong one delays the next attempt.

    The caller must hold the row's lock, so that a code works once.
    """
    if not device.verify_is_allowed()[0]:
        return False
    totp = TOTP(_seed(device), drift=device.drift)
    totp.time = time.time()
    if not (code.isascii() and code.isdecimal() and totp.verify(int(code), _TOLERANCE, device.last_t + 1)):
        device.throttle_increment()
        return False
    device.last_t, device.drift = totp.t(), totp.drift
    device.throttle_reset(commit=False)
    device.set_last_used_timestamp(commit=False)
    device.save()
    return True


def matching(user: User, code: str) -> Authenticator | None:
    """Return the person's confirmed authenticator with this code, if there is one."""
    with transaction.atomic():
        for device in Authenticator.objects.filter(user=user, confirmed=True).select_for_update():
            if verify(device, code):
                return device  # type: ignore[no-any-return]  # django-otp is untyped
    return None


def confirm(user: User, code: str) -> Authenticator | None:
    """Confirm the offered authenticator if this is its code."""
    with transaction.atomic():
        device: Authenticator | None = (
            Authenticator.objects.filter(user=user, confirmed=False).select_for_update().first()
        )
        if device is None or not verify(device, code):
            return None
        device.confirmed = True
        device.save(update_fields=["confirmed"])
    return device


def remove(user: User) -> None:
    """Delete a person's authenticators, unconfirmed ones too, and the recovery codes."""
    Authenticator.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()


def issue_recovery_codes(user: User) -> list[str]:
    """Return new recovery codes; the former ones are no longer accepted. Only their SHA-256 is stored."""
    codes = [b32encode(os.urandom(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, secret_hash=_digest(code)) for code in codes)
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def recovery_codes_left(user: User) -> int:
    """Return how many recovery codes a person has."""
    return RecoveryCode.objects.filter(user=user).count()


def recover(user: User, code: str) -> Authenticator | None:
    """Use a recovery code instead of the authenticator's; it works once.

    Returns the authenticator; None: the code is wrong or was used, or there is no authenticator. A code has 80 random
    bits, so guessing needs no further delay than that of the page.
    """
    plain = "".join(code.lower().replace("-", "").split())
    with transaction.atomic():
        device: Authenticator | None = Authenticator.objects.filter(user=user, confirmed=True).first()
        if device is None or not RecoveryCode.objects.filter(user=user, secret_hash=_digest(plain)).delete()[0]:
            return None
        device.throttle_reset()
    return device


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


def _seed(device: Authenticator) -> bytes:
    return vault.unwrap(bytes(device.wrapped_seed), _context(device.user_id))


def _context(user_id: int) -> str:
    return f"authenticator:{user_id}"
