"""OpenID Connect sign-in: the provider's settings, read and checked together."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import env

ROLES = ("owner", "admin", "operator", "auditor")  # of tenants.models.Member, those that may do more first
_NEEDED = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_ROLES")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Provider:
    """Who signs people in, and what their claims mean here.

    `origins` are the only ones that are contacted. `roles` are (value of the claim, tenant's slug, role).
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    origins: frozenset[str]
    claim: str
    roles: tuple[tuple[str, str, str], ...]

    def roles_of(self, values: list[str]) -> dict[str, str]:
        """Return the role in each tenant, by slug, that values of the claim give: of several the first of ROLES."""
        by_tenant: dict[str, str] = {}
        for role in reversed(ROLES):
            by_tenant |= {slug: role for value, slug, named in self.roles if named == role and value in values}
        return by_tenant


def read() -> Provider | None:
    """Return the provider that the environment names; None if it names none.

    Raises:
        ImproperlyConfigured: a part is missing or invalid.
    """
    values = {name: env.text(name) for name in _NEEDED}
    hosts, claim = env.words("OIDC_HOSTS"), env.text("OIDC_ROLES_CLAIM", "groups")
    missing = [name for name, value in values.items() if not value]
    if len(missing) == len(_NEEDED):
        return None
    if missing:
        message = f"Sign-in with OpenID Connect needs {', '.join(_NEEDED)}; {', '.join(missing)} is not set."
        raise ImproperlyConfigured(message)
    issuer = env.url("OIDC_ISSUER", "")
    scheme, host = urlsplit(issuer).scheme, urlsplit(issuer).hostname
    if scheme != "https" and host not in _LOOPBACK:
        message = f"OIDC_ISSUER must begin with https://; it is {issuer!r}."
        raise ImproperlyConfigured(message)
    return Provider(
        issuer=issuer,
        client_id=values["OIDC_CLIENT_ID"],
        client_secret=values["OIDC_CLIENT_SECRET"],
        origins=frozenset(f"{scheme}://{name.lower()}" for name in (urlsplit(issuer).netloc, *hosts)),
        claim=claim,
        roles=tuple(_role(word) for word in env.words("OIDC_ROLES")),
    )


def local_passwords(provider: Provider | None) -> bool:
    """Return whether members may sign in with a password of ours.

    Raises:
        ImproperlyConfigured: they may not, and there is no provider.
    """
    allowed = env.flag("LOCAL_PASSWORDS", default=True)
    if not allowed and provider is None:
        message = "LOCAL_PASSWORDS is false, but nobody else signs members in: set OIDC_ISSUER."
        raise ImproperlyConfigured(message)
    return allowed


def _role(word: str) -> tuple[str, str, str]:
    value, _, target = word.rpartition("=")
    slug, _, role = target.partition(":")
    if not value or not slug or role not in ROLES:
        message = (
            f"OIDC_ROLES must name values, tenants and roles as in faces-admins=acme:admin, with the roles "
            f"{', '.join(ROLES)}; it has {word!r}."
        )
        raise ImproperlyConfigured(message)
    return value, slug, role
