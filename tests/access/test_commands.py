"""``sqsjobs iam`` and ``sqsjobs queues policy`` at the command line: what they print, and what they ask for."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from sqsjobs.cli.commands import run
from sqsjobs.cli.exits import OK, USAGE

ACCOUNT = ("--account", "111122223333", "--region", "eu-west-1")
FIFO = "arn:aws:sqs:eu-west-1:111122223333:orders.fifo"


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    module = f"access_{secrets.token_hex(6)}"
    text = "from sqsjobs import App\napp = App('shop')\n@app.task(queue='images')\nasync def resize() -> None: ...\n"
    (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"{module}:app"


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], target: str):
    """Run a command on the app; give its exit code, the JSON that it printed, and what it said."""

    def ran(*words: str, command: tuple[str, ...] = ("iam",)) -> tuple[int, dict[str, Any], str]:
        code = run([*command, target, *words])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else {}, err

    return ran


def arns(policy: dict[str, Any]) -> set[str]:
    return {arn for it in policy["Statement"] for arn in it["Resource"]}


def test_a_policy_for_iam(printed):
    """S7: the whole of standard output is the policy."""
    code, policy, said = printed("--role", "producer", *ACCOUNT)
    assert (code, said) == (OK, "")
    assert policy == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"],
                "Resource": ["arn:aws:sqs:eu-west-1:111122223333:images"],
            }
        ],
    }


def test_account_and_region_are_those_of_the_credentials(printed, moto_endpoint, monkeypatch):
    """S7: STS tells everybody who they are."""
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_REGION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    code, policy, said = printed("--role", "producer")
    assert (code, said) == (OK, "")
    assert arns(policy) == {"arn:aws:sqs:eu-central-1:123456789012:images"}


def test_what_nobody_knows_is_stood_in_for(printed, monkeypatch):
    """S7: and the command says what to replace."""
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    code, policy, said = printed("--role", "producer")
    assert code == OK
    assert arns(policy) == {"arn:aws:sqs:REGION:ACCOUNT_ID:images"}
    assert "--account" in said
    assert "--region" in said


def test_queues_keys_and_tables(printed):
    """S7: a queue that no task of the app names, its own dead-letter queue, a key, the job store's table."""
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    words = ("-q", "audio", "--dead-letters", "audio=audio-lost", "--kms-key", key, "--store", "dynamodb://jobs")
    _, policy, _ = printed("-r", "worker", *words, *ACCOUNT)
    here = "eu-west-1:111122223333"
    table = f"arn:aws:dynamodb:{here}:table/jobs"
    assert arns(policy) == {f"arn:aws:sqs:{here}:audio", f"arn:aws:sqs:{here}:audio-lost", key, table}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--role", "api"), "nothing to allow"),
        (("--role", "root"), "root"),
        ((), "role"),
        (("--role", "worker", "--dead-letters", "images"), "queue=name"),
        (("--role", "worker", "--dead-letters", "imgs=x"), "none of images"),
        (("--role", "worker", "--kms-key", "alias/x"), "alias"),
        (("--role", "worker", "--account", "me"), "twelve digits"),
    ],
)
def test_what_cannot_be(printed, words, said):
    """Wrong words are a wrong use, and the message says what is right."""
    code, policy, message = printed(*words, *(ACCOUNT if "--account" not in words else ()))
    assert (code, policy) == (USAGE, {})
    assert said in message


def test_policies_of_queues(printed):
    """S8: for each queue and its dead-letter queue the attributes that guard them."""
    web = "arn:aws:iam::444455556666:role/web"
    code, attributes, _ = printed("--principal", f"producer={web}", *ACCOUNT, command=("queues", "policy"))
    assert code == OK
    assert attributes.keys() == {"images", "images-dlq"}
    assert attributes["images-dlq"].keys() == {"Policy", "RedriveAllowPolicy"}
    principals = [it["Principal"] for it in attributes["images"]["Policy"]["Statement"]]
    assert {"AWS": [web]} in principals


def test_a_principal_has_a_role(printed):
    code, _, message = printed("--principal", "arn:aws:iam::444455556666:role/web", command=("queues", "policy"))
    assert code == USAGE
    assert "role=ARN" in message


def test_workers_may_send_to_where_callbacks_go(printed, monkeypatch):
    """S7: to a FIFO queue, too, to which they send nothing else."""

    def sends() -> bool:
        _, policy, _ = printed("--role", "worker", "-q", "orders.fifo", *ACCOUNT)
        return any("sqs:SendMessage" in it["Action"] and FIFO in it["Resource"] for it in policy["Statement"])

    assert not sends()
    monkeypatch.setenv("SQSJOBS_CALLBACK_HOSTS", "shop.example")
    assert sends()
