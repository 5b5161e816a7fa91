"""`/metrics` over HTTP."""

from __future__ import annotations

from urllib.error import URLError
from urllib.request import urlopen

import pytest

from goldthread.telemetry.exposition import start_metrics_server
from goldthread.telemetry.metrics import Metrics


def test_serves_the_registry_it_was_given_until_closed() -> None:
    metrics = Metrics()
    metrics.lookups.labels("found").inc(3)
    with start_metrics_server(metrics) as server:
        address = f"http://127.0.0.1:{server.port}/metrics"
        with urlopen(address, timeout=5) as response:
            text = response.read().decode()
    assert 'goldthread_lookups_total{outcome="found"} 3.0' in text
    assert "python_info" not in text
    with pytest.raises(URLError):
        urlopen(address, timeout=5)
