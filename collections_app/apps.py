"""What customers name and ask for."""

from django.apps import AppConfig
from django.conf import settings
from django.core import checks


class CollectionsAppConfig(AppConfig):
    """The collections app."""

    name = "collections_app"
    verbose_name = "collections"


@checks.register(checks.Tags.security, deploy=True)
def local_addresses_stay_closed(app_configs: object, **options: object) -> list[checks.CheckMessage]:
    """Refuse a production that would fetch images from its own network."""
    if not (settings.ALLOW_PRIVATE_URLS and settings.HTTPS):
        return []
    return [
        checks.Error(
            "ALLOW_PRIVATE_URLS opens the platform's own network to callers who give image URLs.",
            hint="Unset ALLOW_PRIVATE_URLS; it is for tests and development.",
            id="collections_app.E001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def a_proxy_is_believed(app_configs: object, **options: object) -> list[checks.CheckMessage]:
    """Warn of a server that speaks plain HTTP, sends everybody to HTTPS, and believes no proxy that they came by it."""
    if settings.TRUSTED_PROXIES or not settings.HTTPS:
        return []
    return [
        checks.Warning(
            "HTTPS=true redirects what comes without TLS, and nobody is believed who says that it came with it.",
            hint="Set TRUSTED_PROXIES to the number of your own proxies before the server.",
            id="collections_app.W001",
        )
    ]
