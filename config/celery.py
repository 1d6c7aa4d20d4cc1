"""The Celery application: a real queue from the first start, on the file system unless a broker is named."""

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning  # type: ignore[attr-defined]  # its stubs know it not
from celery.signals import setup_logging, worker_init
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("faceplane")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


# It is printed before anything is set up to log; under which user a worker runs is for the operator's unit to say.
warnings.filterwarnings("ignore", category=SecurityWarning)


@setup_logging.connect
def _leave_logging(**_: object) -> None:
    """Have Celery leave its lines to settings.LOGGING, like everybody's: JSON, at LOG_LEVEL, without arguments."""


@worker_init.connect
def _check(**_: object) -> None:
    """Refuse to start with the wrong master key."""
    from tenants.startup import require_master_key  # noqa: PLC0415 -- Django is set up only now

    try:
        require_master_key()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None  # Celery logs any other exception of a signal's receiver and goes on
