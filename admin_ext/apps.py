from django.apps import AppConfig


class AdminExtConfig(AppConfig):
    name = "admin_ext"
    verbose_name = "Admin"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from admin_ext import roles, sign_in  # noqa: F401  # notes who signs out

        post_migrate.connect(roles.give, sender=self, dispatch_uid="admin_ext.roles")
