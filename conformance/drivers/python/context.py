"""What the operations of one run share: the two forms of the SDK, one sandbox, and small waiting helpers."""

import asyncio
import inspect
import os
import time
from importlib.metadata import version

import e2b


class NotApplicable(Exception):
    """Raised by an operation that this form of the client does not have."""


async def call(value):
    """The result of a call of either form of the SDK."""
    return await value if inspect.isawaitable(value) else value


async def rejection(attempt):
    """The error that `attempt()` ends with; fails when there is none."""
    try:
        value = await call(attempt())
    except Exception as error:
        return error
    raise AssertionError(f"expected an error, got {value!r}"[:300])


async def eventually(what, ask, within=15.0):
    """Asks until the answer is truthy."""
    end = time.monotonic() + within
    while True:
        answer = await call(ask())
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not seen within {within} s")
        await asyncio.sleep(0.1)


class Context:
    def __init__(self, mode):
        self.mode = mode
        self.is_async = mode == "async"
        self.Sandbox = e2b.AsyncSandbox if self.is_async else e2b.Sandbox
        self.version = tuple(int(part) for part in version("e2b").split(".")[:3])
        self.run = f"py-{mode}-{os.getpid()}-{time.time_ns()}"
        host, ip = os.environ.get("CONFORMANCE_OUTSIDE_HOST"), os.environ.get("CONFORMANCE_OUTSIDE_IP")
        self.outside = (host, ip) if host and ip else None
        self._made = []
        self._shared = None

    async def fresh(self, **options):
        options = {"timeout": 120, "metadata": {"conformance": self.run}, **options}
        sandbox = await call(self.Sandbox.create(**options))
        self._made.append(sandbox)
        return sandbox

    async def sandbox(self):
        """The sandbox for operations that leave it as they found it; replaced when it is gone."""
        if self._shared is None or not await call(self._shared.is_running()):
            self._shared = await self.fresh(timeout=600)
        return self._shared

    def reach(self, sandbox, port, path="/"):
        """Where a port of a sandbox is reached in this address form, with the headers it needs."""
        sandbox_url = os.environ.get("E2B_SANDBOX_URL")
        if sandbox_url is None:
            return f"https://{sandbox.get_host(port)}{path}", {}
        return sandbox_url.rstrip("/") + path, {"E2b-Sandbox-Id": sandbox.sandbox_id, "E2b-Sandbox-Port": str(port)}

    async def close(self):
        for sandbox in self._made:
            try:
                await call(sandbox.kill())
            except Exception:
                pass  # the sandbox may be gone; its deadline ends it otherwise
