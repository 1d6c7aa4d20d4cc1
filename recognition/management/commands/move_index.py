"""manage.py move_index --to pgvector|segments [--tenant SLUG]: move galleries between engines during use."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from recognition.index import pgvector, pgvector_table
from recognition.models import Gallery


class Command(BaseCommand):
    """Move galleries."""

    help = (
        "Copy galleries into pgvector's table, or take them out of it. Start the servers with FACE_INDEX set to match."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the target engine and the tenant."""
        parser.add_argument("--to", choices=("pgvector", "segments"), required=True)
        parser.add_argument("--tenant", help="the slug of one tenant; every tenant's galleries are moved without it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Move one gallery after another; galleries that were moved before cost little."""
        if connection.vendor != "postgresql":
            raise CommandError("pgvector needs PostgreSQL; DATABASE_URL names another database.")
        pgvector_table.prepare()
        galleries = Gallery.unscoped.select_related("tenant").order_by("pk")
        if options["tenant"]:
            galleries = galleries.filter(tenant__slug=options["tenant"])
        for gallery in galleries:
            if options["to"] == "segments":
                pgvector.move_out(gallery)
                self.stdout.write(f"{gallery}: out of pgvector; the worker makes its segments.")
                continue
            try:
                self.stdout.write(f"{gallery}: {pgvector.move_in(gallery)} templates copied.")
            except Gallery.DoesNotExist:
                self.stdout.write(f"{gallery}: erased meanwhile.")
