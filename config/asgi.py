"""The entry of an asynchronous web server."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()

from tenants import wall  # noqa: E402 -- Django is set up only now
from tenants.startup import require_master_key  # noqa: E402

require_master_key()
wall.shut()
