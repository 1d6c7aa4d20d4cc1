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
