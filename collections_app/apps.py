"""What customers name and ask for."""

from django.apps import AppConfig


class CollectionsAppConfig(AppConfig):
    """The collections app."""

    name = "collections_app"
    verbose_name = "collections"
