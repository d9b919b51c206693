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
        default_permissions = ()
        permissions = [("run_task_again", "Can run tasks again")]

    def __str__(self) -> str:
        return self.name


class GivenPermission(models.Model):
    """A permission that a role has been given once: never again, whatever staff made of it since."""

    role = models.CharField(max_length=150)
    permission = models.CharField(max_length=200, help_text="As application.codename.")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["role", "permission"], name="givenpermission_once"),
        ]

    def __str__(self) -> str:
        return f"{self.permission} for {self.role}"
