from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Makes the project's own management commands (`up`, `prepare`) known to Django."""

    name = "config"
    label = "config"
