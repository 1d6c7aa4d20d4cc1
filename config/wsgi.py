"""The WSGI application, which `config.server` calls."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from django.conf import settings  # noqa: E402 -- Django must be set up first

from config import telemetry  # noqa: E402
from recognition.packs import providers  # noqa: E402
from tenants import rls  # noqa: E402
from tenants.startup import require_master_key, require_schema  # noqa: E402

require_schema()
providers.require()
require_master_key()
rls.deny_by_default()
telemetry.start()
import_module(settings.ROOT_URLCONF)  # imports every view, so that the first request need not wait for it
