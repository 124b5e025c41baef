"""Signed URLs, hosts and ports, with the standard library as the other party."""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from context import call, eventually

PATH = "/home/user/signed ü.txt"
SERVER = Path(__file__).parent.parent / "guest-server.mjs"


async def fetch(url, headers=None, data=None, method=None):
    """Status and body of an answer; runs beside the event loop."""

    def work():
        request = urllib.request.Request(url, headers=headers or {}, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return await asyncio.to_thread(work)


async def prepared(t):
    sandbox = await t.sandbox()
    await call(sandbox.files.write(PATH, "signed content"))
    return sandbox


async def signed_download(t):
    sandbox = await prepared(t)
    assert await fetch(sandbox.download_url(PATH)) == (200, b"signed content")
    assert await fetch(sandbox.download_url(PATH, user="root", use_signature_expiration=60)) == (200, b"signed content")


async def signed_upload(t):
    sandbox = await prepared(t)
    url = sandbox.upload_url("/home/user/uploaded.txt", use_signature_expiration=60)
    headers = {"Content-Type": "application/octet-stream"}
    status, body = await fetch(url, headers, b"uploaded", "POST")
    assert status == 200, body
    assert await call(sandbox.files.read("/home/user/uploaded.txt")) == "uploaded"


async def signed_expired(t):
    sandbox = await prepared(t)
    url = sandbox.download_url(PATH, use_signature_expiration=1)
    await asyncio.sleep(2.1)
    status, body = await fetch(url)
    assert status == 401 and b"expired" in body, (status, body)


async def signed_replay(t):
    sandbox = await prepared(t)
    url = urllib.parse.urlsplit(sandbox.download_url(PATH))
    query = {**dict(urllib.parse.parse_qsl(url.query)), "path": "/etc/passwd"}
    status, _ = await fetch(urllib.parse.urlunsplit(url._replace(query=urllib.parse.urlencode(query))))
    # With two URLs nothing but a valid signature names the sandbox, so an invalid one leads to none (502).
    assert status in (401, 502), status


async def serving(t, port, address):
    sandbox = await t.sandbox()
    await call(sandbox.files.write("/home/user/guest-server.mjs", SERVER.read_text()))
    command = f"node /home/user/guest-server.mjs {port} {address}"
    await call(sandbox.commands.run(command, background=True, timeout=0))
    return t.reach(sandbox, port, "/path?q=1")


async def port_open(t):
    url, headers = await serving(t, 8080, "0.0.0.0")

    async def answered():
        status, body = await fetch(url, headers)
        return status == 200 and json.loads(body)

    seen = await eventually("the guest server", answered)
    assert (seen["hello"], seen["url"]) == ("guest", "/path?q=1"), seen


async def port_loopback(t):
    url, headers = await serving(t, 8081, "127.0.0.1")

    async def answered():
        return (await fetch(url, headers))[0] == 200

    await eventually("the relay", answered)


async def port_closed(t):
    sandbox = await t.sandbox()
    url, headers = t.reach(sandbox, 9999)
    status, body = await fetch(url, headers)
    assert status == 502 and "port is not open" in json.loads(body)["message"], (status, body)


async def sse(t):
    sandbox = await t.sandbox()
    await call(sandbox.files.write("/home/user/guest-server.mjs", SERVER.read_text()))
    await call(sandbox.commands.run("node /home/user/guest-server.mjs 8082", background=True, timeout=0))
    url, headers = t.reach(sandbox, 8082, "/events")
    home, home_headers = t.reach(sandbox, 8082)

    async def answered():
        return (await fetch(home, home_headers))[0] == 200

    await eventually("the guest server", answered)

    def read():
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return [(line, time.monotonic()) for line in answer if line.strip()]

    events = await asyncio.to_thread(read)
    assert [line for line, _ in events] == [b"data: 1\n", b"data: 2\n", b"data: 3\n"], events
    assert events[-1][1] - events[0][1] > 0.4


OPERATIONS = {
    "signed-download": signed_download,
    "signed-upload": signed_upload,
    "signed-expired": signed_expired,
    "signed-replay": signed_replay,
    "port-open": port_open,
    "port-loopback": port_loopback,
    "port-closed": port_closed,
    "sse": sse,
}
