"""Files."""

import hashlib
import io
import os

import e2b
from context import call, rejection


def sha256(data):
    return hashlib.sha256(bytes(data)).hexdigest()


async def folder(t, name):
    """An empty folder for one operation."""
    sandbox = await t.sandbox()
    path = f"/home/user/{name}-{t.run}"
    await call(sandbox.files.make_dir(path))
    return path, sandbox.files, sandbox.commands


async def text(t):
    path, files, commands = await folder(t, "text")
    info = await call(files.write(f"{path}/deep/er/a b ü.txt", "grüezi\n"))
    assert (info.path, info.name) == (f"{path}/deep/er/a b ü.txt", "a b ü.txt"), info
    assert await call(files.read(f"{path}/deep/er/a b ü.txt")) == "grüezi\n"
    await call(files.write("relative.txt", "in the home"))
    assert (await call(commands.run("cat /home/user/relative.txt"))).stdout == "in the home"


async def raw_bytes(t):
    path, files, commands = await folder(t, "bytes")
    data = os.urandom(70_000)
    await call(files.write(f"{path}/raw", data))
    assert sha256(await call(files.read(f"{path}/raw", format="bytes"))) == sha256(data)
    await call(files.write(f"{path}/empty", ""))
    assert await call(files.read(f"{path}/empty")) == ""
    await call(files.write("/root/owned.txt", "root", user="root"))
    assert (await call(commands.run("stat -c %U /root/owned.txt", user="root"))).stdout == "root\n"


async def stream(t):
    path, files, _ = await folder(t, "stream")
    data = os.urandom(3_000_000)
    await call(files.write(f"{path}/streamed", io.BytesIO(data)))
    reader = await call(files.read(f"{path}/streamed", format="stream"))
    chunks = []
    if hasattr(reader, "__aiter__"):
        async for chunk in reader:
            chunks.append(chunk)
    else:
        for chunk in reader:
            chunks.append(chunk)
    assert sha256(b"".join(chunks)) == sha256(data)


async def gzip(t):
    path, files, _ = await folder(t, "gzip")
    data = "compressible " * 50_000
    await call(files.write(f"{path}/zipped", data, gzip=True))
    assert await call(files.read(f"{path}/zipped")) == data
    assert await call(files.read(f"{path}/zipped", gzip=True)) == data


async def pieces():
    yield b"one "
    yield b"two"


async def octet_stream(t):
    path, files, _ = await folder(t, "octet")
    await call(files.write(f"{path}/octet", "raw body", use_octet_stream=True))
    assert await call(files.read(f"{path}/octet")) == "raw body"
    if t.version >= (2, 63, 0):
        await call(files.write(f"{path}/pieces", pieces() if t.is_async else iter([b"one ", b"two"])))
        assert await call(files.read(f"{path}/pieces")) == "one two"


async def many(t):
    path, files, _ = await folder(t, "many")
    entries = [{"path": f"{path}/sub/{i}.txt", "data": f"number {i}"} for i in range(20)]
    infos = await call(files.write_files(entries))
    assert [info.path for info in infos] == [f"{path}/sub/{i}.txt" for i in range(20)]
    assert await call(files.read(f"{path}/sub/19.txt")) == "number 19"


async def metadata(t):
    path, files, _ = await folder(t, "metadata")
    tags = {"colour": "blue", "origin": "test run"}
    written = await call(files.write(f"{path}/tagged", "x", metadata=tags))
    assert written.metadata == tags, written
    assert (await call(files.get_info(f"{path}/tagged"))).metadata == tags
    await call(files.write(f"{path}/tagged", "y"))
    assert not (await call(files.get_info(f"{path}/tagged"))).metadata


async def large(t):
    path, files, commands = await folder(t, "large")
    data = os.urandom(20_000_000)
    await call(files.write(f"{path}/large", data))
    assert (await call(commands.run(f"sha256sum {path}/large"))).stdout.startswith(sha256(data))
    assert sha256(await call(files.read(f"{path}/large", format="bytes"))) == sha256(data)
    await call(files.remove(f"{path}/large"))


async def list_files(t):
    path, files, _ = await folder(t, "list")
    await call(files.write(f"{path}/b.txt", "b"))
    await call(files.write(f"{path}/a/x/y.txt", "y"))
    shallow = await call(files.list(path))
    assert [(entry.name, entry.type.value) for entry in shallow] == [("a", "dir"), ("b.txt", "file")], shallow
    deep = await call(files.list(path, depth=3))
    assert [entry.path for entry in deep] == [f"{path}/a", f"{path}/a/x", f"{path}/a/x/y.txt", f"{path}/b.txt"]
    error = await rejection(lambda: files.list(f"{path}/nothing"))
    assert isinstance(error, e2b.NotFoundException), repr(error)


async def info(t):
    path, files, commands = await folder(t, "info")
    await call(files.write(f"{path}/target", "four"))
    await call(commands.run(f"ln -s target {path}/link && chmod 640 {path}/target"))
    assert await call(files.exists(f"{path}/target")) is True
    assert await call(files.exists(f"{path}/nothing")) is False
    found = await call(files.get_info(f"{path}/target"))
    assert (found.size, found.mode, found.permissions) == (4, 0o640, "-rw-r-----"), found
    assert (found.owner, found.group) == ("user", "user"), found
    link = await call(files.get_info(f"{path}/link"))
    assert link.symlink_target == f"{path}/target", link
    error = await rejection(lambda: files.get_info(f"{path}/nothing"))
    assert isinstance(error, e2b.NotFoundException), repr(error)


async def rename(t):
    path, files, _ = await folder(t, "rename")
    await call(files.write(f"{path}/old", "content"))
    moved = await call(files.rename(f"{path}/old", f"{path}/new/place"))
    assert moved.path == f"{path}/new/place"
    assert await call(files.exists(f"{path}/old")) is False
    assert await call(files.read(f"{path}/new/place")) == "content"


async def remove(t):
    path, files, _ = await folder(t, "remove")
    await call(files.write(f"{path}/tree/leaf", "x"))
    await call(files.remove(f"{path}/tree"))
    assert await call(files.exists(f"{path}/tree")) is False
    await call(files.remove(f"{path}/tree"))


async def make_dir(t):
    path, files, _ = await folder(t, "mkdir")
    assert await call(files.make_dir(f"{path}/one/two")) is True
    assert await call(files.make_dir(f"{path}/one/two")) is False


async def errors(t):
    path, files, _ = await folder(t, "errors")
    missing = await rejection(lambda: files.read(f"{path}/nothing"))
    assert isinstance(missing, e2b.NotFoundException), repr(missing)
    directory = await rejection(lambda: files.read(path))
    assert isinstance(directory, e2b.InvalidArgumentException), repr(directory)
    stranger = await rejection(lambda: files.read("/x", user="nobody-here"))
    assert isinstance(stranger, e2b.AuthenticationException), repr(stranger)


OPERATIONS = {
    "files-text": text,
    "files-bytes": raw_bytes,
    "files-stream": stream,
    "files-gzip": gzip,
    "files-octet-stream": octet_stream,
    "files-many": many,
    "files-metadata": metadata,
    "files-large": large,
    "files-list": list_files,
    "files-info": info,
    "files-rename": rename,
    "files-remove": remove,
    "files-make-dir": make_dir,
    "files-errors": errors,
}
