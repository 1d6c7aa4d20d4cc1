"""Every setting, in one file; every value that an operator may change is read through env.py.

No variable is needed to start: the defaults are SQLite, files on disk and a queue on the file system.
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

from config import env
from config.files import OPTIONS, storage_at
from config.secrets import generated, printed
from tenants.task_names import Task

os.umask(0o077)  # what any of our processes writes, no other user of the host reads

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.kept_folder("DATA_DIR", BASE_DIR / "var")
MODELS_HOME = env.folder("MODELS_HOME", BASE_DIR / "var" / "models")
FACE_MODELS_DIR = env.text("FACE_MODELS_DIR")  # where install_models looks before it asks a registry

# --- secrets: outside the repository tree, so that a copied or committed tree carries none of them ---
SECRETS_DIR = env.folder("SECRETS_DIR", Path("~/.config/faceplane"))
SECRET_KEY = env.text("SECRET_KEY") or generated(
    SECRETS_DIR / "django.key", size=48, without="everybody has to sign in again"
)
# One or more keys of 32 bytes, base64url, separated by commas: the first wraps, every one unwraps.
# MASTER_KEYS_COMMAND names a program that prints them, such as a key management service's client.
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
    "unfold",  # stands before the admin whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
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
    "config.requests.RequestLog",
    "config.requests.DatabaseAway",
    "config.health.probes",  # before host and scheme are looked at
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "collections_app.console.middleware.see_other",
    "collections_app.console.middleware.locale",
    "collections_app.console.middleware.crowded",
    "django.middleware.common.CommonMiddleware",
    "collections_app.console.middleware.Size",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "collections_app.console.middleware.second_factor",
    "tenants.rls.middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # a vendor's client must never be redirected; the console names its URLs in full
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
env.refuse_torn("DATABASE_URL", ("sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs"))
DATABASES = {"default": dj_database_url.parse(env.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'faceplane.sqlite3'}"))}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE: a transaction waits for the write lock at its start instead of failing at its first write.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA cache_size=-32000;"
        ),
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    _statement = 1000 * env.integer("DATABASE_STATEMENT_SECONDS", 0)  # the web server sets it; commands may take long
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "connect_timeout": 2,  # config.server.bridge counts on it
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": f"-c lock_timeout=10000 -c statement_timeout={_statement}",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- files ---
env.refuse_torn("STORAGE_URL", OPTIONS)
STORAGE_URL = env.text("STORAGE_URL", f"file://{DATA_DIR / 'files'}")
STORAGES = {
    "default": storage_at(STORAGE_URL),
    "staticfiles": {
        "BACKEND": "config.static.Storage",
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}
STATIC_ROOT = BASE_DIR / "static"  # part of the code, made at setup; no data

# --- queue ---
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", "filesystem://")
if CELERY_BROKER_URL.startswith("filesystem:"):
    CELERY_BROKER_TRANSPORT = "config.file_queue:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {"folder": str(DATA_DIR / "queue")}
elif CELERY_BROKER_URL.startswith(("redis", "rediss")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 1, "socket_connect_timeout": 1}
    CELERY_TASK_PUBLISH_RETRY = False  # its client connects anew by itself; a second try would wait three times as long
elif CELERY_BROKER_URL.startswith("amqp"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"read_timeout": 2, "write_timeout": 2}
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20.0  # SIGTERM: tasks under way may end; what does not is delivered again
CELERY_TASK_IGNORE_RESULT = True  # what a job did is in the database, where its tenant can see it
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
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
    "purge": {"task": Task.PURGE_DUE, "schedule": timedelta(minutes=5)},
    "examine": {"task": Task.EXAMINE_DUE, "schedule": timedelta(minutes=5)},
    "compact": {"task": Task.COMPACT_DUE, "schedule": timedelta(seconds=20)},
    "sweep": {"task": Task.SWEEP_INDEX, "schedule": timedelta(minutes=5)},
    "purge-searches": {"task": Task.PURGE_SEARCHES, "schedule": crontab(hour=4, minute=10)},
    "sweep-images": {"task": Task.SWEEP_IMAGES, "schedule": crontab(hour=2, minute=20)},
    "expire": {"task": Task.EXPIRE_FACES, "schedule": timedelta(hours=1)},
    "deliver": {"task": Task.DELIVER_DUE, "schedule": timedelta(seconds=10)},
}
for _entry in CELERY_BEAT_SCHEDULE.values():  # what no worker took until the schedule asks again is dropped
    _every = _entry["schedule"]
    _entry["options"] = {"expires": (_every if isinstance(_every, timedelta) else timedelta(hours=12)).total_seconds()}

# --- recognition ---
FACE_INDEX = env.choice("FACE_INDEX", "segments", ("segments", "exact", "pgvector"))
INDEX_MEMORY_BYTES = env.integer("INDEX_MEMORY_BYTES", 512_000_000, least=1_000_000)  # private, of each process
INDEX_DIR = env.folder("INDEX_DIR", DATA_DIR / "index")  # sealed segments; shared by all hosts
# Where segments lie decrypted while they are open, once a host: in RAM where the system has a RAM-backed folder.
_shared_memory = Path("/dev/shm")  # noqa: S108 -- ours is a folder in it with mode 0700 and our own user, checked at use
_in_memory = os.access(_shared_memory, os.W_OK)
_open_name = f"faceplane-{os.getuid()}-{hashlib.sha256(str(INDEX_DIR).encode()).hexdigest()[:12]}"
INDEX_OPEN_DIR = env.folder("INDEX_OPEN_DIR", _shared_memory / _open_name if _in_memory else DATA_DIR / "index-open")
INDEX_DELTA_ROWS = env.integer("INDEX_DELTA_ROWS", 10_000, least=1)  # changes that wait before a segment is made
INDEX_EXACT_BYTES = env.integer("INDEX_EXACT_BYTES", 52_000_000)  # a segment up to this size is searched exactly
INDEX_SEGMENT_ROWS = env.integer("INDEX_SEGMENT_ROWS", 1_000_000, least=1_000)
INDEX_GRAPH_ROWS = env.integer("INDEX_GRAPH_ROWS", 2_000_000)  # galleries of this size try HNSW segments
INDEX_ERASURE_HOURS = env.integer("INDEX_ERASURE_HOURS", 12, least=1)  # until an erased template leaves the files
MAX_BODY_BYTES = env.integer("MAX_BODY_BYTES", 60_000_000, least=1_000)
STRANGER_BYTES = 60_000  # of a body whose sender may be anybody; the web server waits for it without a thread
# Lets images be fetched from local addresses, for tests and development. Without effect, and refused, beside HTTPS.
ALLOW_PRIVATE_URLS = env.flag("ALLOW_PRIVATE_URLS", default=False)
# Networks of one's own in which webhooks and images by URL may lie, with HTTPS too: 10.0.0.0/8:443,10.1.2.3:8080
ALLOWED_NETWORKS = env.networks("ALLOWED_NETWORKS")

# --- erasure and delivery ---
# How long the operator keeps backups: stated in every receipt of erasure, since we cannot look into them.
BACKUP_DAYS = env.integer("BACKUP_DAYS", 30)
SEARCH_LOG_DAYS = env.integer("SEARCH_LOG_DAYS", 730)  # 0: for ever
IDEMPOTENCY_HOURS = env.integer("IDEMPOTENCY_HOURS", 24, least=1)
# Where all processes of the host, and of no other, agree on who computes and who waits (recognition.admission).
_host_name = f"faceplane-host-{os.getuid()}-{hashlib.sha256(str(DATA_DIR).encode()).hexdigest()[:12]}"
HOST_DIR = env.folder("HOST_DIR", _shared_memory / _host_name if _in_memory else DATA_DIR / "host")
# On the host: images looked at at once, images waiting, seconds they wait. Beyond, a request is told to come again.
COMPUTE_SLOTS = env.integer("COMPUTE_SLOTS", env.cores(), least=1)
COMPUTE_QUEUE = env.integer("COMPUTE_QUEUE", 16 * COMPUTE_SLOTS, least=1)
# What decoding may take on this host, over all of its processes: beyond it images wait for each other.
DECODING_MEMORY_MB = env.integer("DECODING_MEMORY_MB", 800, least=400)
COMPUTE_WAIT_SECONDS = env.integer("COMPUTE_WAIT_SECONDS", 10, least=1)
# On the host: images fetched from their URLs at once, half of them for one tenant; far fewer than WEB_THREADS.
FETCH_SLOTS = env.integer("FETCH_SLOTS", 4, least=1)
# Strangers' matches of one face that a key is told in 30 days; beyond half of them, over all keys, without a score.
MATCHES_PER_FACE = env.integer("MATCHES_PER_FACE", 10, least=1)
PROBES_PER_MINUTE = env.integer("PROBES_PER_MINUTE", 50, least=1)  # more of one face by one key raises an alert
# Where processes agree on rate limits and daily quotas: "database", or redis://…
LIMITS_URL = env.text("LIMITS_URL", "database")

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
# config/docs.py makes a document for each dialect. Assets are packaged: a page of documentation asks no other host.
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": [],  # choices stand where they are used: one set of them may go by several names
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # it would make one document of all dialects; the tests check each dialect's
}
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
FILE_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES  # a larger body is refused unread
# In memory or not at all: an uploaded image never lies in a temporary file, unsealed.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Behind TLS set HTTPS=true; the plain default lets a newcomer reach http://localhost.
HTTPS = env.flag("HTTPS", default=False)
# Where people reach us, for the links in letters and invitations: never what a request's Host says.
_host = next((host.lstrip("*.") for host in ALLOWED_HOSTS), "") or "localhost"
_port = env.text("BIND", "127.0.0.1:8000").rpartition(":")[2]
PUBLIC_URL = env.url("PUBLIC_URL", f"https://{_host}" if HTTPS else f"http://{_host}:{_port}")
# Everything lies under the path of PUBLIC_URL; a proxy may pass it on or take it away.
URL_PREFIX = urlsplit(PUBLIC_URL).path.rstrip("/")
FORCE_SCRIPT_NAME = URL_PREFIX or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = URL_PREFIX or "/"
STATIC_URL = f"{URL_PREFIX}/static/"
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# What browsers are told for a year of reaching this host by HTTPS only. Other hosts of the domain are not ours to bind,
# and no browser's built-in list lets go of one again: both are for the operator to ask for.
HSTS = env.choice("HSTS", "host", ("off", "host", "subdomains", "preload"))
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS and HSTS != "off" else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HSTS in {"subdomains", "preload"}
SECURE_HSTS_PRELOAD = HSTS == "preload"
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # they ask for both
# How many proxies of one's own stand before the server: whose word on scheme and caller's address is believed.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0)
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_HTTPONLY = True
CONTENT_SECURITY_POLICY = {
    # The operator's admin (django-unfold) and the API's documents (Swagger UI, ReDoc) bring inline styles and scripts.
    "EXCLUDE_URL_PREFIXES": ("/admin/", "/docs/"),
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],  # blob: the picture one is about to send; data: Bootstrap's marks
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
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "next", "csrfmiddlewaretoken"]  # in no log of its, as passwords
# Passwords, codes and links that one address may try in a minute, and four times as many from its network (/24, /48).
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

# --- mail: to a folder until EMAIL_URL names a server: smtp://user:password@host:587, or smtps:// for TLS at once ---
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
# Django would ask DNS for this host's full name, for each letter's id and for its greeting to the mail server.
DNS_NAME._fqdn = parseaddr(DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]  # noqa: SLF001 -- no setting says it

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
logging.captureWarnings(True)  # noqa: FBT003 -- Python's own; as lines of the log's form
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
    # At DEBUG the libraries tell headers, signatures and arguments, in which secrets are: only our own lines go so low.
    "root": {"handlers": ["stderr"], "level": "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL},
    "loggers": {
        "faceplane": {"level": LOG_LEVEL},
        "urllib3": {"level": "ERROR"},  # its warnings tell the paths of webhooks
        # These repeat what config.requests logs, with the path's secrets in them.
        "django": {"handlers": [], "level": "INFO"},
        "django.request": {"level": "ERROR", "filters": ["unforeseen"]},
        "django.security.csrf": {"level": "CRITICAL"},
        "django.server": {"level": "CRITICAL"},
        "uvicorn": {"level": "ERROR"},  # else everybody's malformed request is a line
    },
}

env.refuse_misspelt(("BIND", "WEB_WORKERS", "WEB_THREADS"))  # which the web server's own settings read
