"""All settings; those that an operator may change are read from the environment, through env.py.

No variable is needed to start: the defaults are SQLite, files on disk and a queue on the file system. One file although
it is longer than 300 lines: Django's settings are one module, and many values depend on HTTPS, PUBLIC_URL or DATA_DIR.
"""

import hashlib
import logging
import os
import tomllib
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from celery.schedules import crontab
from django.core.mail.utils import DNS_NAME

from config import env, openid
from config.files import OPTIONS, storage_at
from config.secrets import generated, printed
from tenants.task_names import Task

os.umask(0o077)  # no other user of the host can read what our processes write

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.writable_folder("DATA_DIR", BASE_DIR / "var")
MODELS_HOME = env.folder("MODELS_HOME", BASE_DIR / "var" / "models")
# What runs the models before the processor, in this order: execution providers of the installed ONNX Runtime
# (recognition.packs.providers). Their crops are batched across requests: more of these at once.
ONNX_PROVIDERS = env.accelerators("ONNX_PROVIDERS")
FACE_MODELS_DIR = env.text("FACE_MODELS_DIR")  # install_models looks here before it asks a registry

# --- secrets: outside the repository, so that a copied or committed tree holds none ---
SECRETS_DIR = env.folder("SECRETS_DIR", Path("~/.config/faceplane"))
SECRET_KEY = env.text("SECRET_KEY") or generated(
    SECRETS_DIR / "django.key", size=48, without="everybody must sign in again"
)
# One or more keys of 32 bytes, base64url, separated by commas: the first wraps, every one unwraps.
# MASTER_KEYS_COMMAND is a command that prints them, such as the client of a key management service.
MASTER_KEYS = (
    env.words("MASTER_KEYS")
    or printed(env.text("MASTER_KEYS_COMMAND"))
    or [generated(SECRETS_DIR / "master.key", without="the stored faces are unreadable")]
)

DEBUG = env.flag("DEBUG", default=False)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

with (BASE_DIR / "pyproject.toml").open("rb") as _project:
    VERSION: str = tomllib.load(_project)["project"]["version"]

INSTALLED_APPS = [
    "unfold",  # before the admin, whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config",
    "config.static.Files",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "csp",
    "django_htmx",
    "django_otp",
    "heroicons",
    "js_lib_bootstrap5",
    "tenants",
    "recognition",
    "collections_app",
]

MIDDLEWARE = [
    "config.requests.without_prefix",
    "config.operation_header.with_operation",
    "config.requests.RequestLog",
    "config.telemetry.traced",
    "config.metrics.measured",
    "tenants.request_log.middleware",
    "config.requests.DatabaseAway",  # before any query
    "config.health.health_checks",  # before Host and scheme are checked
    "django.middleware.security.SecurityMiddleware",
    "config.pages.begin",  # a dialect's request skips what follows
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "collections_app.console.middleware.see_other",
    "collections_app.console.middleware.locale",
    "collections_app.console.middleware.crowded",
    "collections_app.console.middleware.Size",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "collections_app.console.middleware.second_factor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.pages.end",
    "django.middleware.common.CommonMiddleware",
    "tenants.rls.middleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # vendors' clients must never be redirected; the console's links are complete
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"console": "collections_app.console.tags"},
        },
    },
]

# --- database ---
env.refuse_split("DATABASE_URL", ("sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs"))
DATABASES = {"default": dj_database_url.parse(env.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'faceplane.sqlite3'}"))}
DATABASES["default"]["CONN_MAX_AGE"] = 60  # seconds; a new connection for each request would cost more than its queries
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE: a transaction waits for the write lock when it begins, instead of failing at its first write.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA cache_size=-8000;"
        ),
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    _statement = 1000 * env.integer("DATABASE_STATEMENT_SECONDS", 0)  # set by the web server; commands may take long
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "connect_timeout": 2,  # config.server.wsgi_call relies on it
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": f"-c lock_timeout=10000 -c statement_timeout={_statement}",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- files ---
env.refuse_split("STORAGE_URL", OPTIONS)
STORAGE_URL = env.text("STORAGE_URL", f"file://{DATA_DIR / 'files'}")
STORAGES = {
    "default": storage_at(STORAGE_URL),
    "staticfiles": {
        "BACKEND": "config.static.Storage",
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}
STATIC_ROOT = BASE_DIR / "static"  # part of the code, made by `make setup`

# --- queue ---
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", "filesystem://")
if CELERY_BROKER_URL.startswith("filesystem:"):
    CELERY_BROKER_TRANSPORT = "config.file_queue:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {"folder": str(DATA_DIR / "queue")}
elif CELERY_BROKER_URL.startswith(("redis", "rediss")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 1, "socket_connect_timeout": 1}
    CELERY_TASK_PUBLISH_RETRY = False  # the client reconnects by itself; Celery's retry would triple the wait
elif CELERY_BROKER_URL.startswith("amqp"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"read_timeout": 2, "write_timeout": 2}
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20.0  # after SIGTERM, for running tasks; unfinished ones are delivered again
CELERY_TASK_IGNORE_RESULT = True  # results are in the database, where their tenant can see them
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = env.cores() + 1  # while one waits for the database, the others compute
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "config.schedule:SharedScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "verify-audits": {"task": Task.VERIFY_AUDITS, "schedule": crontab(hour=3, minute=40)},
    "forget": {"task": Task.FORGET, "schedule": timedelta(hours=1)},
    "pulse": {"task": Task.PULSE, "schedule": timedelta(seconds=20)},
    "verify-templates": {"task": Task.VERIFY_TEMPLATES, "schedule": crontab(hour=3, minute=10)},
    "finish": {"task": Task.FINISH_DUE, "schedule": timedelta(seconds=20)},
    "purge": {"task": Task.PURGE_DUE, "schedule": timedelta(minutes=5)},
    "examine": {"task": Task.EXAMINE_DUE, "schedule": timedelta(minutes=5)},
    "calibrate": {"task": Task.CALIBRATE_DUE, "schedule": timedelta(minutes=10)},
    "compact": {"task": Task.COMPACT_DUE, "schedule": timedelta(seconds=20)},
    "sweep": {"task": Task.SWEEP_INDEX, "schedule": timedelta(minutes=5)},
    "purge-searches": {"task": Task.PURGE_SEARCHES, "schedule": crontab(hour=4, minute=10)},
    "sweep-images": {"task": Task.SWEEP_IMAGES, "schedule": crontab(hour=2, minute=20)},
    "expire": {"task": Task.EXPIRE_FACES, "schedule": timedelta(hours=1)},
    "work": {"task": Task.WORK_DUE, "schedule": timedelta(seconds=10)},
    "deliver": {"task": Task.DELIVER_DUE, "schedule": timedelta(seconds=10)},
}
for _entry in CELERY_BEAT_SCHEDULE.values():  # a message expires when its successor is due
    _every = _entry["schedule"]
    _entry["options"] = {"expires": (_every if isinstance(_every, timedelta) else timedelta(hours=12)).total_seconds()}

# --- recognition ---
FACE_INDEX = env.choice("FACE_INDEX", "segments", ("segments", "exact", "pgvector"))
INDEX_MEMORY_BYTES = env.integer("INDEX_MEMORY_BYTES", 512_000_000, least=1_000_000)  # private memory of each process
INDEX_DIR = env.folder("INDEX_DIR", DATA_DIR / "index")  # sealed segments; shared by all hosts
# Where open segments are kept decrypted, once per host: in RAM if the system has a RAM-backed folder.
_shared_memory = Path("/dev/shm")  # noqa: S108 -- we use a folder in it with mode 0700, checked at use
_in_memory = os.access(_shared_memory, os.W_OK)
_open_name = f"faceplane-{os.getuid()}-{hashlib.sha256(str(INDEX_DIR).encode()).hexdigest()[:12]}"
INDEX_OPEN_DIR = env.folder("INDEX_OPEN_DIR", _shared_memory / _open_name if _in_memory else DATA_DIR / "index-open")
INDEX_DELTA_ROWS = env.integer("INDEX_DELTA_ROWS", 10_000, least=1)  # changes before a new segment is built
INDEX_EXACT_BYTES = env.integer("INDEX_EXACT_BYTES", 52_000_000)  # a segment up to this size is searched exactly
INDEX_SEGMENT_ROWS = env.integer("INDEX_SEGMENT_ROWS", 1_000_000, least=1_000)
INDEX_GRAPH_ROWS = env.integer("INDEX_GRAPH_ROWS", 2_000_000)  # galleries from this size on try HNSW segments
INDEX_ERASURE_HOURS = env.integer("INDEX_ERASURE_HOURS", 12, least=1)  # until erased templates leave the files
MAX_BODY_BYTES = env.integer("MAX_BODY_BYTES", 60_000_000, least=1_000)
STRANGER_BYTES = 60_000  # a larger body is received only for an authenticated caller (config.server.bridge)
# Allows fetching images from local addresses, for tests and development. Refused and without effect with HTTPS.
ALLOW_PRIVATE_URLS = env.flag("ALLOW_PRIVATE_URLS", default=False)
# Local networks that webhooks and images by URL may reach, with HTTPS too: 10.0.0.0/8:443,10.1.2.3:8080
ALLOWED_NETWORKS = env.networks("ALLOWED_NETWORKS")

# --- erasure and delivery ---
# How long the operator keeps backups: stated in every receipt of erasure, since we cannot check it.
BACKUP_DAYS = env.integer("BACKUP_DAYS", 30)
SEARCH_LOG_DAYS = env.integer("SEARCH_LOG_DAYS", 730)  # 0: never deleted
REQUEST_LOG_DAYS = env.integer("REQUEST_LOG_DAYS", 30)  # 0: never deleted
JOB_DAYS = env.integer("JOB_DAYS", 30, least=1)  # how long a finished bulk job and its report are kept
JOB_FILES_HOURS = env.integer("JOB_FILES_HOURS", 24, least=1)  # and what it received, to try refused items again
JOB_FILES_BYTES = env.integer("JOB_FILES_BYTES", 20_000_000_000, least=1_000_000)  # that a job may receive
IDEMPOTENCY_HOURS = env.integer("IDEMPOTENCY_HOURS", 24, least=1)
# Where all processes of this host, and no others, share the admission queue (recognition.admission).
_host_name = f"faceplane-host-{os.getuid()}-{hashlib.sha256(str(DATA_DIR).encode()).hexdigest()[:12]}"
HOST_DIR = env.folder("HOST_DIR", _shared_memory / _host_name if _in_memory else DATA_DIR / "host")
# Per host: images processed at once, images waiting, seconds they wait. Beyond that, requests are refused for now.
COMPUTE_SLOTS = env.integer("COMPUTE_SLOTS", 16 if ONNX_PROVIDERS else env.cores(), least=1)
COMPUTE_QUEUE = env.integer("COMPUTE_QUEUE", 16 * COMPUTE_SLOTS, least=1)
# Memory for decoding, per host: beyond it images wait for each other.
DECODING_MEMORY_MB = env.integer("DECODING_MEMORY_MB", 800, least=400)
COMPUTE_WAIT_SECONDS = env.integer("COMPUTE_WAIT_SECONDS", 10, least=1)
# Per host: images fetched from URLs at once, half of them for one tenant; far fewer than WEB_THREADS.
FETCH_SLOTS = env.integer("FETCH_SLOTS", 4, least=1)
# Strangers' matches of one face that a key may see in 30 days; beyond half of them, over all keys, without a score.
MATCHES_PER_FACE = env.integer("MATCHES_PER_FACE", 10, least=1)
PROBES_PER_MINUTE = env.integer("PROBES_PER_MINUTE", 50, least=1)  # more probes of one face by one key raise an alert
# Where processes share rate limits and daily quotas: "database", or redis://…
LIMITS_URL = env.text("LIMITS_URL", "database")

# --- metrics ---
METRICS_TOKEN = env.text("METRICS_TOKEN")  # the web server answers /metrics to whoever has it
SENTRY_DSN = env.text("SENTRY_DSN")  # where unforeseen errors are reported (config.telemetry)
METRICS_BIND = env.text("METRICS_BIND")  # where the worker serves /metrics
METRICS_TENANTS = env.flag("METRICS_TENANTS", default=False)  # tenants' names and counts among them

# --- HTTP ---
REQUEST_SECONDS = env.integer("REQUEST_SECONDS", 25, least=4)  # the deadline of a request
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],  # each dialect reads its own credentials (collections_app/dialects/base.py)
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "COMPACT_JSON": True,
}
# config/docs.py makes a document for each dialect. Assets are packaged: the pages load nothing from other hosts.
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": [],  # enums stay inline: one set of choices may have several names
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # it would build one document of all dialects; tests check each one
}
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
FILE_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES  # a larger body is refused unread
# In memory only: an uploaded image is never written to a temporary file unencrypted.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Behind TLS set HTTPS=true; the default serves http://localhost.
HTTPS = env.flag("HTTPS", default=False)
# The public address, for links in mail and invitations: never taken from a request's Host.
_host = next((host.lstrip("*.") for host in ALLOWED_HOSTS), "") or "localhost"
_port = env.text("BIND", "127.0.0.1:8000").rpartition(":")[2]
PUBLIC_URL = env.url("PUBLIC_URL", f"https://{_host}" if HTTPS else f"http://{_host}:{_port}")
# Everything is served under the path of PUBLIC_URL; a proxy may keep or strip it.
URL_PREFIX = urlsplit(PUBLIC_URL).path.rstrip("/")
FORCE_SCRIPT_NAME = URL_PREFIX or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = URL_PREFIX or "/"
STATIC_URL = f"{URL_PREFIX}/static/"
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# For a year browsers use only HTTPS for this host. Including subdomains affects other hosts of the domain, and entries
# of browsers' preload lists are hard to remove: the operator must ask for both.
HSTS = env.choice("HSTS", "host", ("off", "host", "subdomains", "preload"))
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS and HSTS != "off" else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HSTS in {"subdomains", "preload"}
SECURE_HSTS_PRELOAD = HSTS == "preload"
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # both would be required
# How many own proxies are in front: their headers for scheme and client address are trusted.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0)
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_HTTPONLY = True
CONTENT_SECURITY_POLICY = {
    # The operator's admin (django-unfold) and the API documents (Swagger UI, ReDoc) use inline styles and scripts.
    "EXCLUDE_URL_PREFIXES": ("/admin/", "/docs/"),
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],  # blob: preview of the chosen picture; data: Bootstrap's icons
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_ENGINE = "tenants.sessions"

# --- people: the console's members and the operator ---
LOGIN_URL = "console:login"
LOGIN_REDIRECT_URL = "console:home"
LOGOUT_REDIRECT_URL = "console:login"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # a stranger cannot lock a member out from another address
AXES_LOCKOUT_TEMPLATE = "console/locked.html"
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "next", "csrfmiddlewaretoken"]  # not logged
OIDC = openid.read()  # the provider that signs members in; None: nobody but us does
LOCAL_PASSWORDS = openid.local_passwords(OIDC)  # of members; the operator's admin keeps its own
# Passwords, codes and links that one address may try per minute; its network (/24, /48) may try four times as many.
ATTEMPTS_PER_MINUTE = env.integer("ATTEMPTS_PER_MINUTE", 30, least=1)
PASSWORD_RESET_TIMEOUT = 3600
OTP_TOTP_ISSUER = "Faceplane"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- mail: written to a folder unless EMAIL_URL is set: smtp://user:password@host:587, smtps:// for implicit TLS ---
EMAIL_URL = env.text("EMAIL_URL")
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "Faceplane <faceplane@localhost>")
if EMAIL_URL:
    _mail = urlsplit(EMAIL_URL)
    EMAIL_HOST = _mail.hostname or "localhost"
    EMAIL_PORT = _mail.port or 587
    EMAIL_HOST_USER = unquote(_mail.username or "")
    EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
    EMAIL_USE_SSL = _mail.scheme == "smtps"
    EMAIL_USE_TLS = not EMAIL_USE_SSL
    EMAIL_TIMEOUT = 10
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = DATA_DIR / "mail"
# Otherwise Django asks DNS for this host's full name, for message ids and for greeting the mail server.
DNS_NAME._fqdn = parseaddr(DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]  # noqa: SLF001 -- there is no setting for it

UNFOLD = {
    "SITE_TITLE": "Faceplane",
    "SITE_HEADER": "Faceplane operator",
    "SITE_URL": f"{URL_PREFIX}/console/",
    "COLORS": {  # the console's accent
        "primary": {
            "50": "#f0faf8",
            "100": "#dcf1ed",
            "200": "#b5e2da",
            "300": "#7bdccf",
            "400": "#4cc9b8",
            "500": "#1f9c8e",
            "600": "#0b7268",
            "700": "#085a52",
            "800": "#074640",
            "900": "#063a35",
            "950": "#04201c",
        },
    },
}

LANGUAGES = [("en", "English"), ("ko", "한국어")]
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "collections_app" / "locale"]
FORMAT_MODULE_PATH = "collections_app.formats"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
logging.captureWarnings(True)  # noqa: FBT003 -- Python's signature; warnings become log lines
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "config.requests.RequestIdFilter"},
        "unforeseen": {"()": "config.requests.Unforeseen"},
    },
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["request_id"]},
    },
    # At DEBUG libraries log headers, signatures and arguments, which contain secrets: it applies to our loggers only.
    "root": {"handlers": ["stderr"], "level": "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL},
    "loggers": {
        "faceplane": {"level": LOG_LEVEL},
        "urllib3": {"level": "ERROR"},  # its warnings contain the paths of webhooks
        # Their messages repeat config.requests' lines, with the secrets of paths.
        "django": {"handlers": [], "level": "INFO"},
        "django.request": {"level": "ERROR", "filters": ["unforeseen"]},
        "django.security.csrf": {"level": "CRITICAL"},
        "django.server": {"level": "CRITICAL"},
        "uvicorn": {"level": "ERROR"},  # otherwise each malformed request is logged
    },
}

env.refuse_misspelt(("BIND", "WEB_WORKERS", "WEB_THREADS"))  # read by config.server
