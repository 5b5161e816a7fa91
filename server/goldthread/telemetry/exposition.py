"""Serves `/metrics`."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from prometheus_client import start_http_server

from goldthread.telemetry.metrics import Metrics

__all__ = ["MetricsServer", "start_metrics_server"]


class MetricsServer:
    """A running `/metrics` endpoint on its own thread."""

    def __init__(self, metrics: Metrics, *, host: str, port: int) -> None:
        self._server, self._thread = start_http_server(port, addr=host, registry=metrics.registry)

    @property
    def port(self) -> int:
        """Port it listens on."""
        return self._server.server_port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening and waits for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_metrics_server(metrics: Metrics, *, host: str = "127.0.0.1", port: int = 0) -> MetricsServer:
    """Starts the endpoint; port 0 takes a free one."""
    return MetricsServer(metrics, host=host, port=port)
