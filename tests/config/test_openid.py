"""The settings of sign-in with OpenID Connect are read and refused together."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import openid
from tenants.models import Member

WHOLE = {
    "OIDC_ISSUER": "https://login.example.com/realms/us",
    "OIDC_CLIENT_ID": "faceplane",
    "OIDC_CLIENT_SECRET": "s3cret",
    "OIDC_ROLES": "cn=faces=acme:admin, auditors=acme:auditor",
}


def test_settings_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is none; half of them, or a wrong one, is refused with its name."""
    assert openid.read() is None
    for name, value in {**WHOLE, "OIDC_HOSTS": "keys.example.com"}.items():
        monkeypatch.setenv(name, value)
    read = openid.read()
    assert read is not None
    assert read.origins == {"https://login.example.com", "https://keys.example.com"}
    assert read.roles == (("cn=faces", "acme", "admin"), ("auditors", "acme", "auditor"))
    assert read.roles_of(["auditors", "cn=faces"]) == {"acme": "admin"}
    assert "s3cret" not in repr(read)
    assert list(openid.ROLES) == Member.Role.values
    for name, wrong in {
        "OIDC_CLIENT_SECRET": "",
        "OIDC_ISSUER": "http://login.example.com",
        "OIDC_ROLES": "admins=acme:emperor",
    }.items():
        with monkeypatch.context() as changed:
            changed.setenv(name, wrong)
            with pytest.raises(ImproperlyConfigured, match=name):
                openid.read()
    monkeypatch.setenv("LOCAL_PASSWORDS", "false")
    assert openid.local_passwords(read) is False
    with pytest.raises(ImproperlyConfigured, match="OIDC_ISSUER"):
        openid.local_passwords(None)
