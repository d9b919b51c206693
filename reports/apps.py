from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        from reports.tasks import ring
        from tracking.signals import sessions_changed

        sessions_changed.connect(ring, dispatch_uid="reports.ring")
