"""The app of collections, their faces and people, and the operations on them."""

from django.apps import AppConfig
from django.conf import settings
from django.core import checks


class CollectionsAppConfig(AppConfig):
    """The collections app."""

    name = "collections_app"
    verbose_name = "collections"


@checks.register(checks.Tags.security, deploy=True)
def local_addresses_stay_closed(app_configs: object, **options: object) -> list[checks.CheckMessage]:
    """Refuse to deploy with ALLOW_PRIVATE_URLS, which lets callers reach the platform's own network."""
    if not (settings.ALLOW_PRIVATE_URLS and settings.HTTPS):
        return []
    return [
        checks.Error(
            "ALLOW_PRIVATE_URLS opens the platform's own network to callers that send image URLs.",
            hint="Unset ALLOW_PRIVATE_URLS; it is for tests and development.",
            id="collections_app.E001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def a_proxy_is_trusted(app_configs: object, **options: object) -> list[checks.CheckMessage]:
    """Warn if all requests are redirected to HTTPS, but no proxy is trusted to say that a request came by HTTPS."""
    if settings.TRUSTED_PROXIES or not settings.HTTPS:
        return []
    return [
        checks.Warning(
            "HTTPS=true redirects requests without TLS, but no proxy is trusted to say that a request came with TLS.",
            hint="Set TRUSTED_PROXIES to the number of your proxies in front of the server.",
            id="collections_app.W001",
        )
    ]
