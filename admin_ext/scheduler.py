"""Beat's schedule in the database, as django-celery-beat has it, but for how a run is noted."""

from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry


class Entry(ModelEntry):  # type: ignore[misc]
    def save(self) -> None:
        """Only what a run changes: to write the whole row back could undo a pause made meanwhile."""
        PeriodicTask.objects.filter(pk=self.model.pk, enabled=True).update(
            last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count
        )


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    Entry = Entry
