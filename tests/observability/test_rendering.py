"""Log lines: one format for structlog and logging, and no value that can forge a line or steer a terminal."""

from __future__ import annotations

import io
import json
import logging
import threading

import pytest
import structlog

from sqsjobs.observability.escaping import printable
from sqsjobs.observability.rendering import configure_logging

HOSTILE = "ok\r\n2026-01-01 [error] forged\x1b[2J\x9b31m\u202e\ud800\x00"


@pytest.fixture(autouse=True)
def _restored_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_json_away_from_a_terminal():
    """`auto` writes one JSON object a line where the stream is no terminal."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger().info("job succeeded", task="resize", seconds=0.25)
    (line,) = map(json.loads, written(stream))
    assert (line["event"], line["level"], line["task"], line["seconds"]) == ("job succeeded", "info", "resize", 0.25)
    assert line["timestamp"].endswith("Z")


def test_pretty_on_a_terminal():
    stream = Terminal()
    configure_logging(stream=stream)
    structlog.get_logger().info("job succeeded", task="resize")
    assert "job succeeded" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_standard_logging_goes_through_the_same_renderer():
    """What a handler logs with `logging` carries the bound context and the name of its logger."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    with structlog.contextvars.bound_contextvars(job_id="j1"):
        logging.getLogger("thumbs.images").warning("%d pixels missing", 7)
    (line,) = map(json.loads, written(stream))
    assert line["event"] == "7 pixels missing"
    assert (line["logger"], line["job_id"], line["level"]) == ("thumbs.images", "j1", "warning")


def test_levels_hold_for_both():
    stream = io.StringIO()
    configure_logging(level="warning", stream=stream)
    structlog.get_logger().info("unwanted")
    logging.getLogger("x").info("unwanted")
    structlog.get_logger().error("wanted")
    assert len(written(stream)) == 1


def test_the_sdk_may_not_log_bodies():
    """botocore writes whole requests at the debug level; --log-level debug must not turn that on."""
    configure_logging(level="debug", stream=io.StringIO())
    assert not logging.getLogger("botocore.endpoint").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("thumbs").isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize("layout", ["json", "pretty"])
@pytest.mark.parametrize("where", ["event", "value", "nested"])
def test_no_value_can_forge_a_line(layout, where):
    """S14: line breaks, ANSI sequences and direction marks reach the stream as visible escapes only."""
    stream = io.StringIO()
    configure_logging(layout, stream=stream)
    log = structlog.get_logger()
    {
        "event": lambda: log.info(HOSTILE),
        "value": lambda: log.info("x", name=HOSTILE),
        "nested": lambda: log.info("x", names=[HOSTILE], by={"k": HOSTILE}),
    }[where]()
    assert len(written(stream)) == 1
    assert not set("\r\x1b\x9b\u202e\x00") & set(stream.getvalue())


def test_a_forged_line_in_a_pretty_traceback_is_indented():
    """A traceback keeps its line breaks, so an error's text cannot look like a line of its own."""
    stream = io.StringIO()
    configure_logging("pretty", stream=stream)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("job failed")
    first, *block = written(stream)
    assert "job failed" in first
    assert any("ValueError" in line for line in block)
    assert all(line.startswith("    ") for line in block if line)
    assert "\x1b" not in stream.getvalue()


def test_values_that_json_does_not_know_are_shown():
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    structlog.get_logger().info("x", thing=object)
    assert json.loads(stream.getvalue())["thing"] == "<class 'object'>"


def test_printable_leaves_ordinary_text_alone():
    assert printable("Überweisung 3 €") == "Überweisung 3 €"
    assert printable("a\nb\x1b[0m") == r"a\nb\x1b[0m"


def test_a_standard_error_that_is_gone_takes_nobody_along():
    """Who logs goes on when the other end of the pipe has been closed."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    stream.close()
    structlog.get_logger().info("to nobody")
    logging.getLogger("thumbs").warning("to nobody")


def test_lines_of_several_threads_stay_apart():
    stream = io.StringIO()
    configure_logging("json", stream=stream)

    def talk() -> None:
        for _ in range(200):
            structlog.get_logger().info("x" * 50)
            logging.getLogger("thumbs").warning("y" * 50)

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in written(stream)]) == 1600
