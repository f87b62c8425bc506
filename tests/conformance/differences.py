"""Where servers differ from AWS: the tests that fail there, and why. docs/emulators.md tells the same to readers.

Every line is a strict expected failure, so a server that learns better is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MOTO: Final[Mapping[str, str]] = {
    "test_the_attributes_count_as_bytes_of_the_message": "counts the body alone",
    "test_bytes_are_counted_and_not_characters": "counts characters",
    "test_characters_outside_xml_are_refused": "takes any character",
    "test_an_empty_body_is_refused": "takes an empty body",
    "test_eleven_attributes_are_refused": "takes any number of attributes",
    "test_one_message_twice_in_a_batch_is_no_trouble": "takes two entries for one if their handles are the same",
    "test_the_twelve_hours_count_from_the_receipt": "counts the 12 hours from the sending, "
    "and refuses the whole batch for one entry beyond them",
    "test_a_superseded_handle_does_not_end_the_lease_of_another": "lets a superseded handle end another's lease",
    "test_the_next_of_a_group_reaches_an_open_long_poll_when_the_head_is_deleted": "does not wake open long polls "
    "when a group goes on",
    "test_the_same_deduplication_id_is_taken_once": "answers a repeated send with a new message id",
    "test_a_deduplication_id_is_remembered_after_the_delete": "forgets a deduplication id with its message",
    "test_a_lost_answer_can_be_asked_for_again": "ignores ReceiveRequestAttemptId",
    "test_an_expired_handle_holds_nothing": "takes expired handles of FIFO queues",
}

DIFFERENCES: Final[Mapping[str, Mapping[str, str]]] = {"moto": MOTO}
"""Rig -> test -> what the server does."""
