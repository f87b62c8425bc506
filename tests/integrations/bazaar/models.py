"""What the tasks read and write."""

from __future__ import annotations

from django.db import models


class Order(models.Model):  # type: ignore[misc] # Django has no types
    """An order, by its number."""

    number = models.IntegerField()
    note = models.TextField(default="")

    class Meta:
        app_label = "bazaar"

    def __str__(self) -> str:
        return f"{self.number} {self.note}"
