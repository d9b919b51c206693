from django.apps import AppConfig


class TrackingConfig(AppConfig):
    name = "tracking"
    verbose_name = "Tracking"

    def ready(self) -> None:
        from corsheaders.signals import check_request_enabled

        from tracking.cors import is_allowed

        check_request_enabled.connect(is_allowed, dispatch_uid="tracking.cors")
