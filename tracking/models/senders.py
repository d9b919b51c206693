"""Who sends: applications and their keys."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

LONGEST_RETENTION_DAYS = 10_000


class Application(models.Model):
    """A site or service that may send events."""

    name = models.CharField(max_length=200, unique=True)
    strict = models.BooleanField(
        "known types only",
        default=False,
        help_text="Reject events whose category and name are no event type. Otherwise they are "
        "stored, and only the fields that every event has are checked.",
    )
    secret_events_per_minute = models.PositiveIntegerField(
        "events a minute with a secret key",
        default=600_000,
        validators=[MinValueValidator(1)],
        help_text="For each key. More are refused with 429 until the minute is over.",
    )
    publishable_events_per_minute = models.PositiveIntegerField(
        "events a minute with a publishable key",
        default=60_000,
        validators=[MinValueValidator(1)],
        help_text="For each key. More are refused with 429 until the minute is over.",
    )
    retention_days = models.PositiveIntegerField(
        "keep events for (days)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_RETENTION_DAYS)],
        help_text="Empty: for ever. Events with an older timestamp are rejected, and stored ones are "
        "deleted for good, once a day; their sessions keep the reports, which cannot be computed anew "
        "then. Rejected events are deleted that long after they came.",
    )
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(retention_days__range=(1, LONGEST_RETENTION_DAYS)),
                name="application_retention",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """What an application signs in with. The key itself is shown once and never stored."""

    class Kind(models.TextChoices):
        PUBLISHABLE = "publishable", "Publishable (browsers: write only)"
        SECRET = "secret", "Secret (servers: write and read)"

    application = models.ForeignKey(Application, models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=11, choices=Kind)
    prefix = models.CharField(max_length=12, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    sha256 = models.BinaryField(max_length=32, unique=True, editable=False)
    origins = ArrayField(
        models.CharField(max_length=300),
        default=list,
        blank=True,
        help_text="Where a publishable key may be used from: scheme, host and port, "
        "for example https://shop.example. This service's own pages always may.",
    )
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="To the minute.")

    class Meta:
        ordering = ["application", "-created_at"]
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["publishable", "secret"]), name="apikey_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…{self.last_four}"
