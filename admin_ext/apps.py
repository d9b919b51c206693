from django.apps import AppConfig


class AdminExtConfig(AppConfig):
    name = "admin_ext"
    verbose_name = "Admin"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        # They need the models, which are there only now.
        from admin_ext import heartbeat, published, roles, sign_in, tasks  # noqa: F401

        published.watch()
        heartbeat.watch()
        post_migrate.connect(roles.give, sender=self, dispatch_uid="admin_ext.roles")
