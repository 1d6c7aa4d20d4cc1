"""Static files: part of the code, collected beside it by `collectstatic`, without source maps."""

import os
from collections.abc import Iterator

from django.conf import settings
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.core.checks import CheckMessage, Error, Tags, register
from whitenoise.storage import CompressedManifestStaticFilesStorage

_MAPPED = "sourceMappingURL"


class Files(StaticFilesConfig):
    """Django's app without source maps, which are megabytes that no page needs."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "*.map"]

    def ready(self) -> None:
        """Register the check that they were collected."""
        super().ready()
        register(collected, Tags.staticfiles, deploy=True)


class Storage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """Names with a hash of the content; references to source maps are not rewritten, since the maps are not there."""

    patterns = tuple(
        (kind, tuple(rule for rule in rules if _MAPPED not in str(rule)))
        for kind, rules in CompressedManifestStaticFilesStorage.patterns
    )

    def post_process(self, *arguments: object, **options: object) -> Iterator[tuple[object, ...]]:
        """Collect files that everybody may read, so that a proxy of another user can."""
        before = os.umask(0o022)
        try:
            yield from super().post_process(*arguments, **options)
        finally:
            os.umask(before)


def collected(**_: object) -> list[CheckMessage]:
    """Report missing static files: every page would answer 500, so the server does not start."""
    if (settings.STATIC_ROOT / "staticfiles.json").is_file():
        return []
    return [Error(f"{settings.STATIC_ROOT} holds no static files: run `manage.py collectstatic`.", id="config.E001")]
