"""Commands."""

import time

import e2b
from context import NotApplicable, call, eventually, rejection


async def run(t):
    sandbox = await t.sandbox()
    result = await call(sandbox.commands.run("echo out; echo err >&2"))
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 0)
    error = await rejection(lambda: sandbox.commands.run("echo partial; exit 3"))
    assert isinstance(error, e2b.CommandExitException), repr(error)
    assert (error.exit_code, error.stdout, error.error) == (3, "partial\n", "exit status 3")


async def context(t):
    sandbox = await t.sandbox()

    async def ask(command, **options):
        return (await call(sandbox.commands.run(command, **options))).stdout.strip()

    assert await ask("echo $A-$B", envs={"A": "1", "B": "two words"}) == "1-two words"
    assert await ask("pwd", cwd="/tmp") == "/tmp"
    assert await ask("whoami; pwd") == "user\n/home/user"
    assert await ask("whoami; id -u; echo $HOME", user="root") == "root\n0\n/root"
    error = await rejection(lambda: sandbox.commands.run("pwd", cwd="/no/such/folder"))
    assert "does not exist" in str(error), repr(error)


async def background(t):
    sandbox = await t.sandbox()
    handle = await call(sandbox.commands.run("sleep 100", background=True, envs={"MARK": t.run}))
    listed = [process for process in await call(sandbox.commands.list()) if process.pid == handle.pid]
    assert listed and listed[0].args == ["-l", "-c", "sleep 100"] and listed[0].envs["MARK"] == t.run
    connected = await call(sandbox.commands.connect(handle.pid))
    assert await call(sandbox.commands.kill(handle.pid)) is True
    error = await rejection(connected.wait)
    assert isinstance(error, e2b.CommandExitException) and "signal: killed" in str(error.error), repr(error)
    assert await call(sandbox.commands.kill(4_000_000)) is False


async def stdin(t):
    sandbox = await t.sandbox()
    handle = await call(sandbox.commands.run("cat", background=True, stdin=True))
    await call(sandbox.commands.send_stdin(handle.pid, "first\n"))
    await call(sandbox.commands.send_stdin(handle.pid, "zweite ü\n"))
    await call(sandbox.commands.close_stdin(handle.pid))
    result = await call(handle.wait())
    assert (result.stdout, result.exit_code) == ("first\nzweite ü\n", 0)


async def stream_input(t):
    sandbox = await t.sandbox()
    if not hasattr(sandbox.commands, "stream_input"):
        raise NotApplicable("this version has no stream_input")
    handle = await call(sandbox.commands.run("cat", background=True, stdin=True))
    lines = [f"line {i}\n" for i in range(50)]
    if t.is_async:
        stream = await call(sandbox.commands.stream_input(handle.pid))
        for line in lines:
            await stream.send(line)
        # Input is delivered as it comes, not at the end of the stream.
        await eventually("the echo", lambda: handle.stdout == "".join(lines))
        await stream.close()
    else:
        sandbox.commands.stream_input(handle.pid, iter(lines))
    await call(sandbox.commands.close_stdin(handle.pid))
    assert (await call(handle.wait())).stdout == "".join(lines)


async def timeout(t):
    sandbox = await t.sandbox()
    started = time.monotonic()
    error = await rejection(lambda: sandbox.commands.run("sleep 44.125", timeout=1))
    assert isinstance(error, e2b.TimeoutException), repr(error)
    assert time.monotonic() - started < 5

    async def gone():
        seen = await call(sandbox.commands.run('pgrep -f "[s]leep 44.125" || echo gone'))
        return seen.stdout == "gone\n"

    await eventually("the end of the command", gone)


async def large_output(t):
    sandbox = await t.sandbox()
    result = await call(sandbox.commands.run("head -c 10000000 /dev/zero | tr '\\0' x"))
    assert result.stdout == "x" * 10_000_000


async def unicode(t):
    sandbox = await t.sandbox()
    result = await call(sandbox.commands.run("""python3 -c "print('€🙂ü' * 60000, end='')" """))
    assert result.stdout == "€🙂ü" * 60_000
    split = await call(sandbox.commands.run("printf '\\xf0\\x9f'; sleep 0.3; printf '\\x99\\x82'"))
    assert split.stdout == "🙂"


async def callbacks(t):
    sandbox = await t.sandbox()
    seen = []
    await call(
        sandbox.commands.run(
            "echo one; sleep 0.7; echo two >&2; sleep 0.7; echo three",
            on_stdout=lambda text: seen.append(("out", text, time.monotonic())),
            on_stderr=lambda text: seen.append(("err", text, time.monotonic())),
        )
    )
    assert [entry[:2] for entry in seen] == [("out", "one\n"), ("err", "two\n"), ("out", "three\n")], seen
    assert seen[2][2] - seen[0][2] > 1


OPERATIONS = {
    "commands-run": run,
    "commands-context": context,
    "commands-background": background,
    "commands-stdin": stdin,
    "commands-stream-input": stream_input,
    "commands-timeout": timeout,
    "commands-large-output": large_output,
    "commands-unicode": unicode,
    "commands-callbacks": callbacks,
}
