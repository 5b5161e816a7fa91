"""A grpc.aio server that answers every Lookup with the same bytes: `python -m loadtest.lookup.echo PORT`."""

from __future__ import annotations

import asyncio
import sys

import grpc
from grpc import aio

ANSWER = bytes(110)


async def answer(_: bytes, __: object) -> bytes:
    """The answer to whatever was asked."""
    return ANSWER


async def serve(port: int) -> None:
    """Serves on loopback until killed."""
    server = aio.server()
    # Without a serializer bytes pass as they are.
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("goldthread.v1.LookupService", {"Lookup": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
