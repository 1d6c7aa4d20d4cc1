"""Sign-in with the company's OpenID Connect provider: authorisation code flow with PKCE, state and nonce (Authlib).

The provider's document and keys are fetched anew for each sign-in: sign-ins are few, and nothing can be out of date.
Only the origins of the operator's settings are contacted, redirects are not followed, and proxies of the environment
are not used.
"""

import ssl
from typing import Any
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import DjangoIntegration, DjangoOAuth2App
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from joserfc.errors import JoseError
from requests import RequestException, Response
from requests.adapters import HTTPAdapter

BY_PROVIDER = "by_provider"  # the session's key that says so: the provider asks for the second factor, we do not
_SECONDS = 5  # for each answer of the provider
_SIGNED_WITH = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
_BROKEN = (AuthlibBaseError, JoseError, RequestException, ValueError, RuntimeError, KeyError, TypeError)


class ProviderFailed(Exception):
    """The provider is away, refused the sign-in, or its answer is not to be trusted; the message says which."""


class _Trusting(HTTPAdapter):
    """Trusts the authorities that the system trusts, those of the company among them."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=ssl.create_default_context())


class _Session(OAuth2Session):  # type: ignore[misc]  # untyped
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.trust_env = False
        self.mount("https://", _Trusting())

    def request(self, method: str, url: str, **kwargs: Any) -> Response:
        _check_origin(url)
        answer: Response = super().request(method, url, **{**kwargs, "allow_redirects": False, "timeout": _SECONDS})
        return answer


class _App(DjangoOAuth2App):  # type: ignore[misc]  # untyped
    client_cls = _Session


def configured() -> Any:
    """Return the provider's settings (config.openid); call this only where there are any."""
    return settings.OIDC


def begin(request: HttpRequest, redirect_uri: str) -> HttpResponse:
    """Redirect to the provider; the session keeps state, nonce and PKCE's verifier.

    Raises:
        ProviderFailed: the provider's document cannot be had, or names other addresses.
    """
    try:
        app = _app()
        _check_origin(app.server_metadata["authorization_endpoint"])
        answer: HttpResponse = app.authorize_redirect(request, redirect_uri)
    except _BROKEN as error:
        raise ProviderFailed(_words(error)) from error
    return answer


def finish(request: HttpRequest) -> dict[str, Any]:
    """Return the claims of whoever comes back from the provider.

    The roles' claim is looked for in the ID token, then in the answer of the userinfo endpoint.

    Raises:
        ProviderFailed: state, code, signature, issuer, audience, nonce or time are wrong, or the provider is away.
    """
    try:
        app = _app()
        issuer = {"iss": {"essential": True, "value": configured().issuer}}
        token = app.authorize_access_token(request, claims_options=issuer)
        claims = dict(token["userinfo"])
        if configured().claim not in claims and "userinfo_endpoint" in app.server_metadata:
            more = app.userinfo(token=token)
            if more["sub"] != claims["sub"]:
                message = "userinfo is of another person"
                raise ValueError(message)
            claims = {**more, **claims}
    except _BROKEN as error:
        raise ProviderFailed(_words(error)) from error
    return claims


def _app() -> Any:
    oidc = configured()
    app = _App(
        DjangoIntegration("provider"),
        name="provider",
        client_id=oidc.client_id,
        client_secret=oidc.client_secret,
        server_metadata_url=f"{oidc.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )
    found = app.load_server_metadata()
    if found["issuer"] != oidc.issuer:
        message = f"the document of {oidc.issuer} is of {found['issuer']}"
        raise ValueError(message)
    offered = _SIGNED_WITH.intersection(found["id_token_signing_alg_values_supported"])
    found["id_token_signing_alg_values_supported"] = sorted(offered)
    if "client_secret_basic" not in found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
        app.client_kwargs["token_endpoint_auth_method"] = "client_secret_post"  # noqa: S105 -- a method
    return app


def _check_origin(url: str) -> None:
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}".lower() not in configured().origins:
        message = f"{parts.netloc} is neither the issuer's address nor in OIDC_HOSTS"
        raise ValueError(message)


def _words(error: Exception) -> str:
    """Return what an operator may read in the log: no token, code or secret stands in these errors."""
    return f"{type(error).__name__}: {error}"[:300]
