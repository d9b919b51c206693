from django.apps import AppConfig


class AdminExtConfig(AppConfig):
    name = "admin_ext"
    verbose_name = "Admin"

    def ready(self) -> None:
        # They need the models, which are there only now.
        from admin_ext import heartbeat, published, tasks  # noqa: F401

        published.watch()
        heartbeat.watch()
