"""Pixels to vectors to neighbours."""

from django.apps import AppConfig
from django.conf import settings


class RecognitionConfig(AppConfig):
    """The recognition app."""

    name = "recognition"

    def ready(self) -> None:
        """Configure the memory budget of decoding: pipeline steps do not read settings."""
        from recognition.pipeline.decoding import memory  # noqa: PLC0415 -- apps load first

        memory.configure(settings.HOST_DIR / "decoding", settings.DECODING_MEMORY_MB * 1_000_000)
