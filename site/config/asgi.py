import os

import django

from config import limits, scoreboard

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
limits.allow_files()
scoreboard.share(os.environ)  # before the apps import prometheus_client
django.setup()

from config.front import Front  # noqa: E402 - it imports models

application = Front()
