"""The REST door's server: started and stopped by the gRPC server, between it and the register data plane."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from grpc import aio
from uvicorn import Config, Server

from goldthread.rest.faces import build_faces
from goldthread.rest.methods import unary_methods
from goldthread.rest.settings import RestSettings
from goldthread.telemetry.metrics import Metrics

__all__ = ["RestDoor"]

_BACKLOG = 1024


class RestDoor:
    """Listens on a socket within the machine, to which the data plane hands on what is REST and no lookup. Starts once; used from one event loop."""

    def __init__(
        self, settings: RestSettings, *, metrics: Metrics, new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._new_id = new_id
        self._channel: aio.Channel | None = None
        self._server: Server | None = None
        self._loop: asyncio.Task[None] | None = None

    async def start(self, *, services: Sequence[str], calls: Path, listen: Path) -> None:
        """Mirrors `services`, which a gRPC server has on the socket `calls`, on the socket `listen`.

        Raises `SettingsError` if two methods would have one path, `OSError` if nobody can listen there.
        """
        channel = self._channel = aio.insecure_channel(f"unix:{calls}", options=_options(self._settings))
        faces = build_faces(
            unary_methods(services), channel, self._settings, metrics=self._metrics, new_id=self._new_id
        )
        config = Config(
            faces,
            uds=str(listen),
            backlog=_BACKLOG,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        # Not `serve`, which would take the process's signals; what it does besides is this.
        config.load()
        server = Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        self._server = server
        self._loop = asyncio.create_task(server.main_loop())

    async def stop(self, *, seconds: float) -> None:
        """Stops listening and waits for running calls, at most `seconds`; a second call does nothing."""
        server, self._server = self._server, None
        if server is not None and self._loop is not None:
            server.config.timeout_graceful_shutdown = seconds  # type: ignore[assignment]  # it is waited for as it is
            server.should_exit = True
            await self._loop
            await server.shutdown()
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


def _options(settings: RestSettings) -> list[tuple[str, int]]:
    # What the server sends is bounded by the server; what it is sent, by the door before.
    return [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", settings.max_body_bytes * 2)]
