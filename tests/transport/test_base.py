"""What is counted of a message before it is sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.transport.base import OutgoingMessage, message_size

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_sizes_are_bytes_and_not_characters():
    """R30: as SQS counts them, the attributes' names and types included."""
    assert message_size(OutgoingMessage("é€😀")) == 2 + 3 + 4
    assert message_size(OutgoingMessage("x", attributes={"ä": "ö"})) == 1 + 2 + len("String") + 2


@given(body=_TEXT, attributes=st.dictionaries(_TEXT, _TEXT, max_size=3))
def test_every_text_has_the_size_of_its_utf_8(body, attributes):
    """R30."""
    texts = [body, *attributes.keys(), *attributes.values(), *("String" for _ in attributes)]
    assert message_size(OutgoingMessage(body, attributes=attributes)) == len("".join(texts).encode())
