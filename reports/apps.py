from django.apps import AppConfig
from django.db.models.signals import pre_delete


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        from reports.models import SessionReport
        from reports.tasks import forget, forget_trails, ring, take_back
        from tracking.signals import events_expiring, session_erasing, sessions_changed

        sessions_changed.connect(ring, dispatch_uid="reports.ring")
        session_erasing.connect(forget, dispatch_uid="reports.forget")
        events_expiring.connect(forget_trails, dispatch_uid="reports.forget_trails")
        pre_delete.connect(take_back, sender=SessionReport, dispatch_uid="reports.take_back")
