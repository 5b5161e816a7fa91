from __future__ import annotations

from pathlib import Path

import structlog
from structlog.testing import capture_logs

from goldthread.app import wiring
from goldthread.app.settings import Settings

KEY = "5a" * 32


def test_a_service_says_which_columns_of_its_model_no_ledger_has(tmp_path: Path) -> None:
    model = tmp_path / "model.toml"
    extra = '\n[[extra]]\nname = "sex"\nkind = "person"\nlevels = { exact = 900, near = 0, different = -900 }\n'
    model.write_text(Settings().model_text() + extra)
    structlog.reset_defaults()
    with capture_logs() as lines:
        wiring.build_matcher(Settings(master_key=KEY, model=model))
    assert [(line["event"], line["extras"]) for line in lines] == [("model_extras_not_compared", ["sex"])]
    with capture_logs() as lines:
        wiring.build_matcher(Settings(master_key=KEY))
    assert lines == []


def test_callers_can_be_asked_for_certificates() -> None:
    files = {name: Path(name) for name in ("grpc_tls_certificate", "grpc_tls_key", "grpc_tls_client_ca")}
    door = wiring.rpc_settings(Settings(**files))
    assert (door.tls_certificate, door.tls_key, door.tls_client_ca) == tuple(files.values())
