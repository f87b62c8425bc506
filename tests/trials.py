"""How many examples hypothesis tries: few in `make test`, many times as many in `make properties`."""

from __future__ import annotations

import os
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings

__all__ = ["examples", "more_examples"]

TIMES: Final = int(os.environ.get("SQSJOBS_TEST_TIMES", "1"))


def examples(few: int, **others: Any) -> settings:
    """Return settings for `few` examples, or for so many times as many as are asked for."""
    return settings(max_examples=few * TIMES, **{"deadline": None, **others})


def more_examples() -> None:
    """Let properties that say nothing of their number be tried more often, too, where that is asked for.

    However long one example takes: a machine that does other things as well is no reason to fail. Nor is every line
    traced, as hypothesis does before Python 3.12, only to explain a failure better if there should be one.
    """
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    phases = [phase for phase in Phase if phase is not Phase.explain]
    settings.register_profile(
        "tests", max_examples=100 * TIMES, deadline=None, suppress_health_check=checks, phases=phases
    )
    settings.load_profile("tests")
