from django.urls import path, re_path

from tracking import health
from tracking.capture import CapturePage
from tracking.docs import ErrorCodes
from tracking.exposition import scrape

urlpatterns = [
    path("", CapturePage.as_view(), name="capture"),
    re_path(r"^docs/errors/?$", ErrorCodes.as_view(), name="error-codes"),
    re_path(r"^healthz/?$", health.alive, name="healthz"),
    re_path(r"^readyz/?$", health.ready, name="readyz"),
    re_path(r"^metrics/?$", scrape, name="metrics"),
]
