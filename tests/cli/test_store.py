"""``sqsjobs store apply``: tables of the job store, made by an administrator."""

from __future__ import annotations

import secrets

from tests.store.servers import postgres_url

from sqsjobs.cli.exits import FAILED, OK, USAGE


def test_tables_are_shown_made_and_left_alone(run_here):
    url = f"{postgres_url()}?schema=s{secrets.token_hex(4)}"
    dry = run_here("store", "apply", "--store", url, "--dry-run")
    assert dry.code == OK
    assert "tables of version 1" in dry.err
    assert "dry run" in dry.err
    assert run_here("job", "0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11", "--store", url).code == USAGE
    made = run_here("store", "apply", "--store", url)
    assert made.code == OK
    assert "is set up" in made.err
    assert "nothing to change" in run_here("store", "apply", "--store", url).err


def test_a_store_without_tables_needs_nothing(run_here, tmp_path):
    assert "nothing to change" in run_here("store", "apply", "--store", f"sqlite:///{tmp_path}/jobs.db").err


def test_no_store_is_said(run_here):
    ran = run_here("store", "apply")
    assert ran.code == USAGE
    assert "SQSJOBS_STORE" in ran.err


def test_a_server_that_is_not_there_is_said(run_here):
    ran = run_here("store", "apply", "--store", "postgresql://me:secret@127.0.0.1:1/jobs")
    assert ran.code == FAILED
    assert "is the server up" in ran.err
    assert "secret" not in ran.err
