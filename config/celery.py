"""The Celery application: a real queue from the first start, on the file system unless a broker is named."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("faceplane")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
