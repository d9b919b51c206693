from django.db import models


class Worker(models.Model):
    """A worker process, as it last said of itself; one that ends in peace takes its row along."""

    name = models.CharField(primary_key=True, max_length=255)
    pid = models.PositiveIntegerField()
    processes = models.PositiveIntegerField(help_text="How many tasks it does at once.")
    queues = models.JSONField(default=list)
    running = models.JSONField(default=list, help_text="The ids and names of what it is at.")
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        permissions = [("run_task_again", "Can run tasks again")]

    def __str__(self) -> str:
        return self.name
