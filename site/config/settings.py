"""All settings, from environment variables. With none set, a clone runs on its embedded services.

`docs/configuration.md` explains each variable.
"""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import embedded, logs
from config.unfold import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parents[2]
DATA_DIR = embedded.data_dir(os.environ)


def text(name: str, default: str = "") -> str:
    """The variable NAME, or what the file named by NAME_FILE holds."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, "").strip() or default


def number(name: str, default: int) -> int:
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value not in {"0", "1", "true", "false", "yes", "no"}:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
    return value in {"1", "true", "yes"}


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def secret_key() -> str:
    """EYE_SECRET_KEY, or one made for the embedded default and kept in its data folder."""
    if given := text("EYE_SECRET_KEY"):
        return given
    if text("DATABASE_URL"):
        raise ImproperlyConfigured(
            "Set EYE_SECRET_KEY (or EYE_SECRET_KEY_FILE) to a long random text: with DATABASE_URL "
            "set, every host of this service needs the same one."
        )
    return _kept_secret(DATA_DIR / "secret_key")


def _kept_secret(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text(encoding="utf-8")


SECRET_KEY = secret_key()
DEBUG = flag("EYE_DEBUG")
ALLOWED_HOSTS = words("EYE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = words("EYE_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "config",
    "admin_ext",
    "reports",
    "tracking",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "django_celery_beat",
    "django_celery_results",
    "corsheaders",
    "csp",
]

MIDDLEWARE = [
    "tracking.metrics.MetricsMiddleware",
    "tracking.middleware.RequestIdMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "admin_ext.middleware.AdminPolicyMiddleware",
    "admin_ext.zones.AdminZoneMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "admin_ext.middleware.AdminRequestsMiddleware",
    "tracking.middleware.RefusalMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True

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
        },
    },
]

# --- PostgreSQL -----------------------------------------------------------------------------


def database() -> dict[str, Any]:
    config: dict[str, Any]
    if url := text("DATABASE_URL"):
        config = dict(dj_database_url.parse(url))
        if config["ENGINE"] != "django.db.backends.postgresql":
            raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://.")
    else:
        config = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": embedded.DATABASE,
            "USER": embedded.USER,
            "HOST": str(embedded.postgres_socket_dir(DATA_DIR)),
        }
    config["CONN_MAX_AGE"] = 300
    config["CONN_HEALTH_CHECKS"] = True
    # Behind it each transaction may be in another session, and such a cursor outlives its own.
    config["DISABLE_SERVER_SIDE_CURSORS"] = flag("EYE_PGBOUNCER")
    # Firewalls forget what is idle for some minutes, and tell neither side.
    kept_alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    config["OPTIONS"] = {"connect_timeout": 2, **kept_alive, **config.get("OPTIONS", {})}
    return config


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery and the cache -------------------------------------------------------------------

CELERY_BROKER_URL = (
    text("CELERY_BROKER_URL") or f"redis+socket://{embedded.valkey_socket(DATA_DIR)}?virtual_host=0"
)
# A frozen broker must never hold anything for longer than this many seconds.
BROKER_TIMEOUT = 0.5
CELERY_BROKER_CONNECTION_TIMEOUT = BROKER_TIMEOUT
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "visibility_timeout": 3600,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": BROKER_TIMEOUT,
    }
    if "redis" in CELERY_BROKER_URL.split(":")[0]
    else {"confirm_publish": True}
)
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "tracking.digest": {"queue": "digest"},
    "reports.*": {"queue": "reports"},
}
CELERY_RESULT_BACKEND = "admin_ext.results:Backend"
# Again on a new connection where the old one was ended: the worker would end with it.
CELERY_RESULT_BACKEND_ALWAYS_RETRY = True
CELERY_RESULT_BACKEND_MAX_RETRIES = 3
CELERY_RESULT_EXTENDED = True
# Celery would delete all that is older at once; admin_ext/task_history.py does it in slices.
CELERY_RESULT_EXPIRES = None
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "admin_ext.scheduler:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
# A run is noted at once, not within three minutes: it tells that beat is there.
CELERY_BEAT_SYNC_EVERY = 1
CELERY_BEAT_SCHEDULE = {
    "Build stale reports": {
        "task": "reports.build_stale",
        "schedule": 5.0,
        "options": {"expire_seconds": 5},
    },
    "Add to the rollups": {
        "task": "reports.roll_up",
        "schedule": 10.0,
        "options": {"expire_seconds": 10},
    },
    "Delete what is kept no longer": {
        "task": "tracking.retention",
        "schedule": crontab(hour="3", minute="17"),
        "options": {"expire_seconds": 12 * 3600},
    },
    "Clear the history of tasks": {
        "task": "admin_ext.clear_task_history",
        "schedule": crontab(hour="3", minute="47"),
        "options": {"expire_seconds": 12 * 3600},
    },
}


def cache() -> dict[str, Any]:
    """CACHE_URL; or database 1 of a Redis broker; or, with another broker, each process's own."""
    url = text("CACHE_URL")
    if not url and not text("CELERY_BROKER_URL"):
        url = f"unix://{embedded.valkey_socket(DATA_DIR)}?db=1"
    if not url and CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
        url = urlsplit(CELERY_BROKER_URL)._replace(path="/1").geturl()
    if not url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured("CACHE_URL must begin with redis://, rediss:// or unix://.")
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "OPTIONS": {"socket_timeout": BROKER_TIMEOUT, "socket_connect_timeout": BROKER_TIMEOUT},
    }


CACHES = {"default": cache()}
# Whether web processes and workers see the same cache: nudges are then published once, not often.
EYE_SHARED_CACHE = "locmem" not in CACHES["default"]["BACKEND"]

# --- Web ------------------------------------------------------------------------------------

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
if flag("EYE_HTTPS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 30 * 24 * 3600
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# Every page but the admin, which needs more for Alpine (see admin_ext/middleware.py).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Pages of other sites may send events, from the origins of the keys (see tracking/cors.py).
CORS_URLS_REGEX = r"/(api/)?(events|events/validate|sessions|sessions/[0-9a-fA-F-]+/pointer)/?"
CORS_ALLOW_METHODS = ["POST", "OPTIONS"]
CORS_ALLOW_HEADERS = ["content-type", "content-encoding", "x-eye-key", "authorization"]
CORS_EXPOSE_HEADERS = ["Retry-After", "X-Request-ID"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tracking.api.auth.KeyAuthentication",
        "tracking.api.auth.SessionTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tracking.api.auth.MayRead"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tracking.api.errors.JsonWhateverIsAsked",
    # Bodies are read by tracking/api/bodies.py.
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "tracking.api.errors.drf_exception_handler",
    # How many proxies may say, in X-Forwarded-For, where a request came from.
    "NUM_PROXIES": number("EYE_NUM_PROXIES", 0),
}

SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "The Eye",
    "DESCRIPTION": "Self-hosted behaviour analytics: send events, and read what became of them. "
    "Every route also answers without /api, and with a slash at the end. To try it out on this page, "
    "read with a secret key (bearerKey) and send with a publishable one (headerKey): a secret key "
    "that comes with an Origin, as all that a browser writes does, is refused.",
    "VERSION": "1",
    "PREPROCESSING_HOOKS": ["tracking.api.openapi.canonical_only"],
    "POSTPROCESSING_HOOKS": ["tracking.api.openapi.complete"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# --- Import and export ----------------------------------------------------------------------

IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = False  # admin_ext/exports.py does it, for every formula

# --- The Eye --------------------------------------------------------------------------------

# The name of the application behind the capture page.
EYE_CAPTURE_APPLICATION = "capture page"
# How many bytes of bodies may wait in the inbox; over it, nothing more is accepted.
EYE_INBOX_BYTES = number("EYE_INBOX_BYTES", 4 * 1024**3)
# What a scraper shows at /metrics; empty: only staff may look.
EYE_METRICS_TOKEN = text("EYE_METRICS_TOKEN")

# --- Logging --------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": logs.line}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": [logs.is_not_throttled],
        },
    },
    # Django's own handlers would write lines that were not rid of keys.
    "loggers": {name: {"handlers": [], "propagate": True} for name in ("django", "django.server")},
    "root": {"handlers": ["stderr"], "level": text("EYE_LOG_LEVEL", "INFO").upper()},
}
