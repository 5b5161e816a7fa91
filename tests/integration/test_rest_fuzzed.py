"""Schemathesis calls everything that the description offers, right, wrong and in sequences, against real servers: no fault of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any
from urllib.request import Request, urlopen

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fixtures.live import live_server
from fixtures.servers import Postgres

PAGE: dict[str, Any] = json.loads(files("goldthread.rest").joinpath("openapi.json").read_text(encoding="utf-8"))
OPERATIONS = [f"{verb.upper()} {path}" for path, verbs in PAGE["paths"].items() for verb in verbs]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BOUNDED = settings(
    max_examples=20,
    stateful_step_count=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def address(postgres: Postgres, card_server: Any) -> Iterator[str]:
    dsn = postgres.clone()
    with live_server(postgres_dsn=dsn, redis_url=card_server.endpoint) as port:
        yield f"http://127.0.0.1:{port}"
    postgres.drop(dsn)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_calls_right_and_wrong_meet_no_fault_of_the_server(address: str, operation: str, mode: GenerationMode) -> None:
    verb, path = operation.split()
    schema = schemathesis.openapi.from_dict(PAGE)
    answered = 0

    @BOUNDED
    @given(case=schema[path][verb].as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case) -> None:
        nonlocal answered
        case.call_and_validate(base_url=address, checks=CHECKS)
        answered += 1

    call()
    assert answered >= 1


def test_the_examples_of_the_description_are_answered(address: str) -> None:
    for path, verbs in PAGE["paths"].items():
        example = (
            verbs.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        )
        if example is not None:
            request = Request(address + path, json.dumps(example).encode(), {"content-type": "application/json"})
            with urlopen(request) as answer:
                assert json.loads(answer.read()) != {}, path


def test_sequences_of_calls_meet_no_fault_of_the_server(address: str) -> None:
    schema = schemathesis.openapi.from_dict(PAGE)
    answered = 0

    class Sequence(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"base_url": address}

        def validate_response(self, response: Any, case: schemathesis.Case, **_: Any) -> None:
            nonlocal answered
            case.validate_response(response, checks=CHECKS)
            answered += 1

    Sequence.run(settings=BOUNDED)
    assert answered >= 20
