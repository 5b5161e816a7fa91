"""The gRPC door: handlers translate, interceptors do the cross-cutting work, the server starts and stops in order."""

from __future__ import annotations

from goldthread.rpc.register import RegisterDoor
from goldthread.rpc.server import RpcServer
from goldthread.rpc.settings import CallLimits, RpcSettings

__all__ = ["CallLimits", "RegisterDoor", "RpcServer", "RpcSettings"]
