"""Bugs of signatures, and of what is believed and told."""

from __future__ import annotations

from typing import Final

from tests.seeded_bugs.bug import Bug, Edit

__all__ = ["BUGS"]

BUGS: Final = (
    Bug(
        "29a",
        "the content is parsed before its signature is verified",
        edits=(
            Edit(
                "sealing/sealing.py",
                "        if self.signing:\n            self.signing.check(sealed)",
                "        place.decoded(await self._content(sealed))\n"
                "        if self.signing:\n            self.signing.check(sealed)",
            ),
        ),
        tests=("tests/sealing/test_signing.py::test_what_nobody_with_a_key_has_signed_is_not_even_parsed",),
    ),
    Bug(
        "29b",
        "what is unsigned is taken where signatures are required",
        edits=(
            Edit(
                "sealing/sealing.py",
                '            return "unsigned"\n',
                '            return ""\n',
            ),
        ),
        tests=("tests/sealing/test_signing.py::test_a_signature_cannot_be_downgraded",),
    ),
    Bug(
        "30",
        "the place of a large payload is named by the message",
        "amazon-sqs-extended-client",
        edits=(
            Edit(
                "blobs/base.py",
                '        raise ValueError(f"{blob.sha256[:80]!r} is no digest")\n',
                "        return blob.sha256\n",
            ),
        ),
        tests=("tests/blobs/test_blobs.py::test_nothing_outside_of_the_prefix_is_touched",),
    ),
    Bug(
        "32",
        "the class of a job's error is imported by its name",
        "Celery, CVE-2021-23727",
        (
            Edit(
                "handle.py",
                "    return JobFailed(\n",
                "    import importlib\n\n"
                "    module, _, name = failure.type.rpartition('.')\n"
                "    error = getattr(importlib.import_module(module), name)(failure.message)\n"
                "    if isinstance(error, Exception):\n"
                "        raise error\n"
                "    return JobFailed(\n",
            ),
        ),
        (
            "tests/api/test_handle.py::test_a_failure_carries_the_workers_words",
            "tests/test_architecture.py::test_what_arrives_is_decoded_and_never_run",
        ),
    ),
    Bug(
        "35",
        "the arguments of a job that failed are logged",
        "Celery, by default",
        (
            Edit(
                "observability/logs.py",
                "attempt=event.attempt, seconds=seconds, **facts)\n",
                "attempt=event.attempt, seconds=seconds, arguments=event.job.arguments, **facts)\n",
            ),
        ),
        ("tests/observability/test_logs.py::test_arguments_and_results_are_never_logged",),
    ),
)
