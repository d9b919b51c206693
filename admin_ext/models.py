from django.conf import settings
from django.db import models
from django.utils.timezone import now


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


class SavedView(models.Model):
    """A list as somebody wants to see it again: filters, order and columns, as its address has them."""

    MOST_QUERY = 2_000

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    page = models.CharField(max_length=200, help_text="The model of the list.")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=MOST_QUERY, blank=True)
    shared = models.BooleanField("show it to everybody who may see the list", default=False)
    saved_at = models.DateTimeField(default=now)

    class Meta:
        default_permissions = ()
        constraints = [
            # Saved anew under the same name, it takes the place of the earlier one. By the page
            # first, which has the views of all.
            models.UniqueConstraint(fields=["page", "owner", "name"], name="savedview_once"),
        ]

    def __str__(self) -> str:
        return self.name
