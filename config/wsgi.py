"""Django, ready to answer: `config.server` calls it."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from django.conf import settings  # noqa: E402 -- Django is set up only now

from tenants import rls  # noqa: E402
from tenants.startup import require_master_key, require_schema  # noqa: E402

require_schema()
require_master_key()
rls.deny_by_default()
import_module(settings.ROOT_URLCONF)  # and with it every view: else the first request waits for them
