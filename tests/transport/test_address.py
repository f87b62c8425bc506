"""Which queues and endpoints may be talked to, and what they are called."""

from __future__ import annotations

import pytest

from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.address import QueueAddress, SqsEndpoint, dead_letter_name, is_loopback

AWS = SqsEndpoint(region="eu-west-1")


@pytest.mark.parametrize(
    ("queue", "name"),
    [("jobs", "staging-jobs"), ("jobs.fifo", "staging-jobs.fifo"), ("x" * 72, "staging-" + "x" * 72)],
)
def test_a_name_gets_the_prefix(queue: str, name: str) -> None:
    assert AWS.address(queue, prefix="staging-") == QueueAddress(name)


def test_a_url_stands_as_it_is() -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"

    assert AWS.address(url, prefix="staging-") == QueueAddress("jobs", url)


@pytest.mark.parametrize("name", ["", "a b", "jobs.dlq", "jobs/x", "ä", ".fifo", "x" * 81, "x" * 76 + ".fifo"])
def test_what_is_no_queue_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no queue name"):
        AWS.address(name)


@pytest.mark.parametrize(
    "url",
    [
        "http://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost.example.com/1/jobs",
        "http://127.0.0.1.example.com/1/jobs",
        "file:///etc/passwd",
        "ftp://localhost/1/jobs",
        "https:///1/jobs",
    ],
)
def test_a_url_that_would_carry_requests_in_the_clear_is_refused(url: str) -> None:
    """S9: https, or this machine."""
    with pytest.raises(ConfigurationError):
        AWS.address(url)
    with pytest.raises(ConfigurationError):
        SqsEndpoint(endpoint_url=url)


def test_plain_http_elsewhere_can_be_allowed() -> None:
    endpoint = SqsEndpoint(endpoint_url="http://localstack:4566", allow_http=True)

    assert not endpoint.local
    assert endpoint.address("http://localstack:4566/000000000000/jobs").name == "jobs"


def test_a_url_of_another_region_is_refused_with_advice() -> None:
    """Requests go to the region's endpoint, whatever the queue's URL says."""
    with pytest.raises(ConfigurationError, match=r"us-east-1.*AWS_REGION"):
        AWS.address("https://sqs.us-east-1.amazonaws.com/123456789012/jobs")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:9324", True),
        ("http://sqs.localhost:9324", True),
        ("http://127.0.0.1", True),
        ("http://127.8.9.1:1", True),
        ("http://[::1]:9324", True),
        ("http://10.0.0.1", False),
        ("http://0.0.0.0", False),
        ("http://notlocalhost", False),
        ("https://sqs.eu-west-1.amazonaws.com", False),
    ],
)
def test_this_machine_is_known_by_name(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


@pytest.mark.parametrize(("queue", "name"), [("jobs", "jobs-dlq"), ("jobs.fifo", "jobs-dlq.fifo")])
def test_the_dead_letter_queue_is_of_the_same_kind(queue: str, name: str) -> None:
    assert dead_letter_name(queue) == name
