from django.apps import AppConfig


class TrackingConfig(AppConfig):
    name = "tracking"
    verbose_name = "Tracking"

    def ready(self) -> None:
        from corsheaders.signals import check_request_enabled
        from django.db.models.signals import post_migrate

        from tracking.built_in_types import make_built_in
        from tracking.cors import is_allowed

        check_request_enabled.connect(is_allowed, dispatch_uid="tracking.cors")
        post_migrate.connect(make_built_in, sender=self, dispatch_uid="tracking.built_in_types")
