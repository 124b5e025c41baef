"""Terminals. The synchronous form delivers output only while it waits, so a thread waits."""

import asyncio
import threading

import e2b
from context import call, eventually


class Terminal:
    def __init__(self):
        self.screen = ""
        self.end = None
        self.handle = None

    def print(self, data):
        self.screen += data.decode("utf-8", "replace")

    def wait(self):
        try:
            self.end = self.handle.wait(on_pty=self.print)
        except Exception as error:
            self.end = error


async def wait_async(terminal):
    try:
        terminal.end = await terminal.handle.wait()
    except Exception as error:
        terminal.end = error


async def open_terminal(t, attach=None, **options):
    sandbox = await t.sandbox()
    terminal = Terminal()
    if t.is_async:
        size = e2b.PtySize(cols=80, rows=24)
        if attach is None:
            terminal.handle = await sandbox.pty.create(size, on_data=terminal.print, **options)
        else:
            terminal.handle = await sandbox.pty.connect(attach, on_data=terminal.print)
        terminal.waiter = asyncio.create_task(wait_async(terminal))
    else:
        size = e2b.PtySize(cols=80, rows=24)
        terminal.handle = sandbox.pty.create(size, **options) if attach is None else sandbox.pty.connect(attach)
        threading.Thread(target=terminal.wait, daemon=True).start()
    return sandbox, terminal


async def pty_input(t):
    sandbox, terminal = await open_terminal(t, cwd="/tmp", envs={"MARK": "blue"})
    await call(sandbox.pty.send_stdin(terminal.handle.pid, b'echo "is: $MARK $((40+2)) $PWD $TERM"\n'))
    await eventually("the answer", lambda: "is: blue 42 /tmp xterm-256color" in terminal.screen)
    await call(sandbox.pty.kill(terminal.handle.pid))


async def pty_resize(t):
    sandbox, terminal = await open_terminal(t)
    await call(sandbox.pty.send_stdin(terminal.handle.pid, b"stty size\n"))
    await eventually("the first size", lambda: "24 80" in terminal.screen)
    await call(sandbox.pty.resize(terminal.handle.pid, e2b.PtySize(cols=132, rows=43)))
    await call(sandbox.pty.send_stdin(terminal.handle.pid, b"stty size\n"))
    await eventually("the new size", lambda: "43 132" in terminal.screen)
    await call(sandbox.pty.kill(terminal.handle.pid))


async def pty_connect(t):
    sandbox, first = await open_terminal(t)
    _, second = await open_terminal(t, attach=first.handle.pid)
    await call(sandbox.pty.send_stdin(first.handle.pid, b"echo $((6*7))again\n"))
    await eventually("the answer on both connections", lambda: "42again" in first.screen and "42again" in second.screen)
    await call(sandbox.pty.kill(first.handle.pid))


async def pty_exit(t):
    sandbox, terminal = await open_terminal(t)
    await call(sandbox.pty.send_stdin(terminal.handle.pid, b"exit 7\n"))
    end = await eventually("the end", lambda: terminal.end)
    assert end.exit_code == 7, end


async def pty_kill(t):
    sandbox, terminal = await open_terminal(t)
    assert await call(sandbox.pty.kill(terminal.handle.pid)) is True
    end = await eventually("the end", lambda: terminal.end)
    assert "signal: killed" in str(end.error), end
    assert await call(sandbox.pty.kill(terminal.handle.pid)) is False


OPERATIONS = {
    "pty-input": pty_input,
    "pty-resize": pty_resize,
    "pty-connect": pty_connect,
    "pty-exit": pty_exit,
    "pty-kill": pty_kill,
}
