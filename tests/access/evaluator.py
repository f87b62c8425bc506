"""A small evaluator of policies, after "Policy evaluation logic" in the IAM user guide: a denial goes before all else.

It knows what sqsjobs writes, and refuses to judge what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Request:
    """A call: who makes it, an ARN or a service; what, on what, and its context keys."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allows(policy: Mapping[str, Any], request: Request) -> bool:
    """Whether the policy allows the request, and does not deny it."""
    effects = {it["Effect"] for it in policy["Statement"] if _applies(it, request)}
    return effects == {"Allow"}


def denies(policy: Mapping[str, Any], request: Request) -> bool:
    """Whether the policy denies the request, whatever any other policy allows."""
    return any(it["Effect"] == "Deny" and _applies(it, request) for it in policy["Statement"])


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    known = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    assert statement.keys() <= known, f"the evaluator knows no {statement.keys() - known}"
    return (
        _is_named(statement.get("Principal", "*"), request.principal)
        and any(fnmatchcase(request.action, pattern) for pattern in _listed(statement["Action"]))
        and any(fnmatchcase(request.resource, pattern) for pattern in _listed(statement["Resource"]))
        and all(_holds(*one, request.context) for one in _conditions(statement.get("Condition", {})))
    )


def _is_named(principal: Any, who: str) -> bool:
    return principal == "*" or who in {name for names in principal.values() for name in _listed(names)}


def _conditions(condition: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str, list[str]]]:
    for operator, keys in condition.items():
        for key, values in keys.items():
            yield operator, key, _listed(values)


def _holds(operator: str, key: str, values: list[str], context: Mapping[str, str]) -> bool:
    """A key that the request does not have matches nothing, except where it is asked for to differ."""
    given = context.get(key)
    match operator:
        case "StringEquals" | "Bool" | "ArnEquals":
            return given in values
        case "StringNotEquals":
            return given not in values
        case _:
            raise AssertionError(f"the evaluator knows no {operator}")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
