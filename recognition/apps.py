"""Pixels to vectors to neighbours."""

from django.apps import AppConfig


class RecognitionConfig(AppConfig):
    """The recognition app."""

    name = "recognition"
