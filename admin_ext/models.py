from django.db import models


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
