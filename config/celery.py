"""The Celery application: a real queue from the first start, on the file system unless a broker is named."""

import os

from celery import Celery
from celery.signals import worker_init
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("faceplane")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _check(**_: object) -> None:
    """Refuse to start with the wrong master key."""
    from tenants.startup import require_master_key  # noqa: PLC0415 -- Django is set up only now

    try:
        require_master_key()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None  # Celery logs any other exception of a signal's receiver and goes on
