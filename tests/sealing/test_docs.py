"""What the documents say of sealed envelopes: the schema fits what is sent, and the script for other languages works."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from msgspec.structs import replace
from tests.sealing.samples import JOB, NEW, PRIVATE, Clock, sealing

from sqsjobs import AesKey, Encryption, HmacKey, Signing
from sqsjobs.envelope import encode
from sqsjobs.sealing import Sealing

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "envelope.schema.json").read_text())
ENVELOPE = jsonschema.Draft202012Validator(SCHEMA)
HEADER = jsonschema.Draft202012Validator({"$ref": "#/$defs/header", "$defs": SCHEMA["$defs"]})
LAYERS = {
    "hmac": sealing(NEW, environment="production"),
    "ed25519": sealing(PRIVATE),
    "encrypted": Sealing(encryption=Encryption([AesKey("e", b"e" * 32)]), clock=Clock()),
    "compressed": Sealing(compress_over=0, clock=Clock()),
    "all": Sealing(
        signing=Signing([NEW]), encryption=Encryption([AesKey("e", b"e" * 32)]), compress_over=0, clock=Clock()
    ),
}
LONG = replace(JOB, arguments=json.dumps({"rows": ["the same"] * 100}).encode())


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
async def test_what_is_sent_fits_the_schema(layers):
    body = json.loads(await layers.seal(LONG))
    ENVELOPE.validate(body)
    HEADER.validate(json.loads(body["header"]))


def test_plain_envelopes_fit_the_schema():
    ENVELOPE.validate(json.loads(encode(JOB)))
    for example in SCHEMA["examples"]:
        ENVELOPE.validate(example)


@pytest.mark.parametrize(
    "body",
    [
        {"sqsjobs": 1},
        {"sqsjobs": 1, "task": ""},
        {"sqsjobs": 1, "task": "t", "enqueued_at": -1},
        {"sqsjobs": 2, "task": "t"},
        {"sqsjobs": 2, "header": "{}", "content": {}},
        {"sqsjobs": 3, "task": "t"},
    ],
)
def test_what_no_worker_takes_does_not_fit_it(body):
    assert not ENVELOPE.is_valid(body)


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("jq")), reason="the script needs openssl and jq")
async def test_the_script_signs_what_a_worker_runs():
    """S3: the documentation is enough to write a message in another language."""
    (script,) = re.findall(r"```sh\n(.*?)```", (DOCS / "security.md").read_text(), re.DOTALL)
    key = HmacKey("2026-11", bytes(range(32)))
    run = subprocess.run(
        ["sh", "-eu", "-c", script],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "SECRET_HEX": key.secret.hex()},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    ENVELOPE.validate(json.loads(run.stdout))
    job = await sealing(key).open(run.stdout, queue="prod-images", message_id="m")
    assert (job.task, job.arguments) == ("resize", b'{"key":"a.png"}')
