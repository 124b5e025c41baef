"""Life of a sandbox."""

import asyncio
import re
from datetime import datetime, timezone

import e2b
from context import NotApplicable, call, eventually, rejection

UNKNOWN_SANDBOX = "i0000000000000000000"


def seconds_left(info):
    return (info.end_at - datetime.now(timezone.utc)).total_seconds()


async def create(t):
    sandbox = await t.fresh()
    assert re.fullmatch("[a-z0-9]+", sandbox.sandbox_id)
    result = await call(sandbox.commands.run("echo hello"))
    assert (result.stdout, result.exit_code) == ("hello\n", 0)
    await call(sandbox.kill())


async def create_options(t):
    metadata = {"conformance": t.run, "odd key": "a=b&c %20 ü"}
    options = {"idempotency_key": t.run.lower()} if t.version >= (2, 59, 0) else {}
    sandbox = await t.fresh(metadata=metadata, envs={"GREETING": "grüezi"}, timeout=200, **options)
    info = await call(t.Sandbox.get_info(sandbox.sandbox_id))
    assert info.metadata == metadata, info.metadata
    assert 185 < seconds_left(info) < 205, seconds_left(info)
    assert (await call(sandbox.commands.run("echo -n $GREETING"))).stdout == "grüezi"
    if options:
        again = await t.fresh(metadata=metadata, envs={"GREETING": "grüezi"}, timeout=200, **options)
        assert again.sandbox_id == sandbox.sandbox_id, "the same key gives the same sandbox"
        error = await rejection(lambda: t.fresh(metadata={"other": "body"}, **options))
        assert "422" in str(error), error
    await call(sandbox.kill())


async def connect(t):
    sandbox = await t.sandbox()
    await call(sandbox.files.write("/home/user/connect.txt", "seen"))
    same = await call(t.Sandbox.connect(sandbox.sandbox_id, timeout=600))
    assert same.sandbox_id == sandbox.sandbox_id
    assert await call(same.files.read("/home/user/connect.txt")) == "seen"


async def list_sandboxes(t):
    tag = f"{t.run}-list ü&="
    sandbox = await t.fresh(metadata={"tag": tag})
    query = e2b.SandboxQuery(metadata={"tag": tag}, state=[e2b.SandboxState.RUNNING])
    page = await call(t.Sandbox.list(query=query).next_items())
    assert [item.sandbox_id for item in page] == [sandbox.sandbox_id]
    assert page[0].metadata == {"tag": tag}
    query = e2b.SandboxQuery(metadata={"tag": tag}, state=[e2b.SandboxState.PAUSED])
    assert await call(t.Sandbox.list(query=query).next_items()) == []
    await call(sandbox.kill())


async def list_paging(t):
    tag = f"{t.run}-paging"
    sandboxes = [await t.fresh(metadata={"tag": tag}) for _ in range(3)]
    paginator = t.Sandbox.list(query=e2b.SandboxQuery(metadata={"tag": tag}), limit=2)
    first = await call(paginator.next_items())
    assert len(first) == 2 and paginator.has_next
    second = await call(paginator.next_items())
    assert len(second) == 1 and not paginator.has_next
    assert {item.sandbox_id for item in first + second} == {sandbox.sandbox_id for sandbox in sandboxes}
    for sandbox in sandboxes:
        await call(sandbox.kill())


async def info(t):
    sandbox = await t.sandbox()
    found = await call(sandbox.get_info())
    assert found.sandbox_id == sandbox.sandbox_id
    assert found.state == e2b.SandboxState.RUNNING
    assert found.name == "base"
    assert found.cpu_count >= 1 and found.memory_mb >= 128
    assert found.end_at > found.started_at


async def is_running(t):
    sandbox = await t.fresh()
    assert await call(sandbox.is_running()) is True
    await call(sandbox.kill())
    assert await call(sandbox.is_running()) is False


async def set_timeout(t):
    sandbox = await t.fresh(timeout=60)
    await call(sandbox.set_timeout(300))
    assert seconds_left(await call(sandbox.get_info())) > 280
    await call(sandbox.set_timeout(30))
    assert seconds_left(await call(sandbox.get_info())) < 40
    await call(sandbox.kill())


async def expiry(t):
    sandbox = await t.fresh(timeout=2)
    await asyncio.sleep(2)

    async def ended():
        return not await call(sandbox.is_running())

    await eventually("the end at the deadline", ended, 4)
    error = await rejection(lambda: t.Sandbox.get_info(sandbox.sandbox_id))
    assert isinstance(error, e2b.NotFoundException), repr(error)


async def kill(t):
    sandbox = await t.fresh()
    assert await call(t.Sandbox.kill(sandbox.sandbox_id)) is True
    assert await call(t.Sandbox.kill(sandbox.sandbox_id)) is False
    error = await rejection(lambda: sandbox.commands.run("true"))
    assert isinstance(error, e2b.SandboxException), repr(error)
    if t.version >= (2, 53, 0):
        assert type(error).__name__ == "SandboxNotRunningException", repr(error)


async def metrics(t):
    sandbox = await t.sandbox()
    samples = await eventually("a sample", sandbox.get_metrics)
    sample = samples[0]
    assert sample.cpu_count >= 1 and sample.cpu_used_pct >= 0
    assert 0 < sample.mem_used <= sample.mem_total
    assert sample.disk_total > 0


async def error_template(t):
    error = await rejection(lambda: t.Sandbox.create("no-such-template"))
    assert isinstance(error, e2b.SandboxException), repr(error)
    assert "no-such-template" in str(error), error


async def error_key(t):
    error = await rejection(lambda: t.Sandbox.create(api_key="e2b_" + "0" * 40))
    assert isinstance(error, e2b.AuthenticationException), repr(error)


async def error_unknown_sandbox(t):
    for attempt in (
        lambda: t.Sandbox.get_info(UNKNOWN_SANDBOX),
        lambda: t.Sandbox.connect(UNKNOWN_SANDBOX),
        lambda: t.Sandbox.set_timeout(UNKNOWN_SANDBOX, 10),
    ):
        error = await rejection(attempt)
        assert isinstance(error, e2b.NotFoundException), repr(error)
    assert await call(t.Sandbox.kill(UNKNOWN_SANDBOX)) is False


async def base_tools(t):
    sandbox = await t.sandbox()
    script = "python3 --version && pip --version && node --version && npm --version && git --version && jq --version"
    result = await call(sandbox.commands.run(script))
    assert result.stdout.startswith("Python 3."), result.stdout


async def base_sudo(t):
    sandbox = await t.sandbox()
    assert (await call(sandbox.commands.run("sudo whoami"))).stdout == "root\n"


async def base_environment(t):
    sandbox = await t.sandbox()
    result = await call(sandbox.commands.run("echo $E2B_SANDBOX $E2B_SANDBOX_ID $E2B_TEMPLATE_ID"))
    found = await call(sandbox.get_info())
    assert result.stdout == f"true {sandbox.sandbox_id} {found.template_id}\n", result.stdout


async def git_commit(t):
    path, git, files = await repository(t, "commit")
    assert (await call(git.status(path))).is_clean
    await call(files.write(f"{path}/readme.md", "# changed\n"))
    status = await call(git.status(path))
    assert status.current_branch == "main" and not status.is_clean
    assert status.file_status[0].name == "readme.md"


async def git_branches(t):
    path, git, _ = await repository(t, "branches")
    await call(git.create_branch(path, "feature/x"))
    branches = await call(git.branches(path))
    assert branches.current_branch == "feature/x" and sorted(branches.branches) == ["feature/x", "main"]


async def git_clone(t):
    path, git, files = await repository(t, "clone")
    await call(git.clone(f"file://{path}", path=f"{path}-copy", depth=1))
    assert await call(files.read(f"{path}-copy/readme.md")) == "# hello\n"


async def repository(t, name):
    """A repository with one commit."""
    sandbox = await t.sandbox()
    if not hasattr(sandbox, "git"):
        raise NotApplicable("this version has no git helpers")
    path = f"/home/user/git-{name}-{t.run}"
    await call(sandbox.git.init(path, initial_branch="main"))
    await call(sandbox.files.write(f"{path}/readme.md", "# hello\n"))
    await call(sandbox.git.add(path))
    await call(sandbox.git.commit(path, 'Begin "here"', author_name="Ada", author_email="ada@example.com"))
    return path, sandbox.git, sandbox.files


OPERATIONS = {
    "create": create,
    "create-options": create_options,
    "connect": connect,
    "list": list_sandboxes,
    "list-paging": list_paging,
    "info": info,
    "is-running": is_running,
    "set-timeout": set_timeout,
    "expiry": expiry,
    "kill": kill,
    "metrics": metrics,
    "error-template": error_template,
    "error-key": error_key,
    "error-unknown-sandbox": error_unknown_sandbox,
    "base-tools": base_tools,
    "base-sudo": base_sudo,
    "base-environment": base_environment,
    "git-commit": git_commit,
    "git-branches": git_branches,
    "git-clone": git_clone,
}
