"""Static files: part of the code, gathered beside it by `collectstatic`, without maps back to their sources."""

import os
from collections.abc import Iterator

from django.conf import settings
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.core.checks import CheckMessage, Error, Tags, register
from whitenoise.storage import CompressedManifestStaticFilesStorage

_MAPPED = "sourceMappingURL"


class Files(StaticFilesConfig):
    """Django's app, which also leaves out source maps: they are megabytes that no page needs."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "*.map"]

    def ready(self) -> None:
        """Add the check that they were gathered."""
        super().ready()
        register(gathered, Tags.staticfiles, deploy=True)


class Storage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """Names with a hash of their content; what is said of source maps stays as it is, since they are not here."""

    patterns = tuple(
        (kind, tuple(rule for rule in rules if _MAPPED not in str(rule)))
        for kind, rules in CompressedManifestStaticFilesStorage.patterns
    )

    def post_process(self, *arguments: object, **options: object) -> Iterator[tuple[object, ...]]:
        """Gather what everybody may read, a proxy of another user too."""
        before = os.umask(0o022)
        try:
            yield from super().post_process(*arguments, **options)
        finally:
            os.umask(before)


def gathered(**_: object) -> list[CheckMessage]:
    """Find that they were not gathered: every page would answer 500, so the server does not start."""
    if (settings.STATIC_ROOT / "staticfiles.json").is_file():
        return []
    return [Error(f"{settings.STATIC_ROOT} holds no static files: run `manage.py collectstatic`.", id="config.E001")]
