"""manage.py openapi DIALECT: print a dialect's OpenAPI document."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from collections_app.dialects import DIALECTS
from config.docs import document


class Command(BaseCommand):
    """Print the document that the server serves at /docs/DIALECT/openapi.json."""

    help = "Print a dialect's OpenAPI document."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the dialect."""
        parser.add_argument("dialect", choices=[dialect.name for dialect in DIALECTS])

    def handle(self, *args: Any, dialect: str, **options: Any) -> None:
        """Print it."""
        self.stdout.write(document(next(one for one in DIALECTS if one.name == dialect)))
