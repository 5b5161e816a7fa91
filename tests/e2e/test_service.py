"""The service fixture: one event through Kafka, seen by Resolve's ledger and answered at the register."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import grpc

from goldthread.app.settings import process_environment
from goldthread.app.up import Up
from goldthread.v1 import identity_pb2, lookup_service_pb2, lookup_service_pb2_grpc

ROW = (
    '{"source": "crm", "event_id": "1", "occurred_at": "2025-05-01T10:00:00Z", "kind": "customer_change", '
    '"email": "ada@analytical-engine.org", "given_name": "Ada", "family_name": "Lovelace", "postcode": "10001"}\n'
)


def looked_up(stub: lookup_service_pb2_grpc.LookupServiceStub, email: str) -> lookup_service_pb2.LookupResponse:
    identifier = identity_pb2.Identifier(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw=email)
    return stub.Lookup(lookup_service_pb2.LookupRequest(identifier=identifier), timeout=10)


def test_an_event_becomes_a_card(service: Up, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text(ROW, encoding="utf-8")
    settings = service.settings
    done = subprocess.run(
        [sys.executable, "-m", "goldthread.app.cli", "produce", str(events)],
        env={**process_environment(), **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with grpc.insecure_channel(service.endpoints.grpc) as channel:
        stub = lookup_service_pb2_grpc.LookupServiceStub(channel)
        deadline = time.monotonic() + 20
        answer = looked_up(stub, "Ada@Analytical-Engine.org")
        while answer.outcome != lookup_service_pb2.LOOKUP_OUTCOME_FOUND and time.monotonic() < deadline:
            time.sleep(0.05)
            answer = looked_up(stub, "Ada@Analytical-Engine.org")
    assert answer.outcome == lookup_service_pb2.LOOKUP_OUTCOME_FOUND
    assert answer.card.masked_name == "Ada L."
    assert answer.card.profile_id.startswith("GP-")
    assert answer.version > 0
