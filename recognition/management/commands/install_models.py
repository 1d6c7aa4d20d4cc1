"""manage.py install_models: fetch, verify and prepare the models of recognition/packs/packs.toml."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from recognition import packs
from recognition.packs import files as model_files
from recognition.packs.install import InstallationRefused, Outcome, install
from recognition.packs.sources import Sources


class Command(BaseCommand):
    """Install every model that is not installed yet; running it again checks and repairs."""

    help = "Fetch the models of recognition/packs/packs.toml, check their sha256 and prepare them for this platform."
    requires_system_checks = ()  # models come before a database

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the folder."""
        parser.add_argument(
            "--from",
            dest="folder",
            type=Path,
            default=settings.FACE_MODELS_DIR,
            help="a folder that holds model files, asked before all other sources (or FACE_MODELS_DIR)",
        )

    def handle(self, *, folder: Path | str | None, **_: Any) -> None:
        """Install the models one after another and report each outcome.

        Raises:
            CommandError: a file is wrong or unavailable; models installed before it stay.
        """
        place = Path(folder) if folder else None
        if place is not None and not place.is_dir():
            message = f"{place} is not a folder"
            raise CommandError(message)
        with Sources() as sources, tqdm(packs.models().values(), unit="model", leave=False) as progress:
            for model in progress:
                progress.set_description(model.name)
                self._install(model, sources, place)

    def _install(self, model: packs.Model, sources: Sources, place: Path | None) -> None:
        try:
            outcome = install(model, sources, place)
        except InstallationRefused as error:
            raise CommandError(str(error)) from error
        if outcome is Outcome.INSTALLED:
            tqdm.write(f"{model.name:<16} {model.role:<10} {outcome} in {model_files.models_home()}")
