"""What a sandbox may reach."""

from context import NotApplicable, call, rejection
from urls import fetch

EVERYTHING = "0.0.0.0/0"


async def curl(t, sandbox):
    """The exit code of curl towards the outside: 0 when it answered. The address is given, so no name is asked for."""
    host, ip = t.outside
    command = f"curl -sk -o /dev/null -m 4 --resolve {host}:443:{ip} https://{host}/; echo $?"
    return int((await call(sandbox.commands.run(command))).stdout)


def needs_outside(t):
    if t.outside is None:
        raise NotApplicable("this machine reaches nothing outside")


async def create_offline(t):
    needs_outside(t)
    assert await curl(t, await t.sandbox()) == 0, "the internet answers by default"
    sandbox = await t.fresh(allow_internet_access=False)
    assert await curl(t, sandbox) != 0
    await call(sandbox.kill())


async def create_network(t):
    needs_outside(t)
    allowed = await t.fresh(network={"allow_out": [t.outside[1]], "deny_out": [EVERYTHING]})
    assert await curl(t, allowed) == 0, "allow beats deny"
    info = await call(t.Sandbox.get_info(allowed.sandbox_id))
    if getattr(info, "network", None) is not None:
        assert EVERYTHING in str(info.network), info.network
    denied = await t.fresh(network={"deny_out": [f"{t.outside[1]}/32"]})
    assert await curl(t, denied) != 0
    error = await rejection(lambda: t.fresh(network={"deny_out": ["example.com"]}))
    assert "400" in str(error), repr(error)
    await call(allowed.kill())
    await call(denied.kill())


async def create_private(t):
    sandbox = await t.fresh(network={"allow_public_traffic": False})
    assert sandbox.traffic_access_token
    url, headers = t.reach(sandbox, 8080)
    assert (await fetch(url, headers))[0] == 403
    assert (await fetch(url, {**headers, "e2b-traffic-access-token": "wrong"}))[0] == 403
    assert (await fetch(url, {**headers, "e2b-traffic-access-token": sandbox.traffic_access_token}))[0] == 502
    await call(sandbox.kill())


async def network_update(t):
    needs_outside(t)
    sandbox = await t.fresh()
    if not hasattr(sandbox, "update_network"):
        raise NotApplicable("this version has no update_network")
    assert await curl(t, sandbox) == 0
    await call(sandbox.update_network({"deny_out": [EVERYTHING]}))
    assert await curl(t, sandbox) != 0, "denied at once"
    await call(sandbox.update_network({"allow_out": [t.outside[1]], "deny_out": [EVERYTHING]}))
    assert await curl(t, sandbox) == 0, "allowed again"
    await call(sandbox.update_network({}))
    assert await curl(t, sandbox) == 0, "left-out lists are cleared"
    await call(sandbox.kill())


OPERATIONS = {
    "create-offline": create_offline,
    "create-network": create_network,
    "create-private": create_private,
    "network-update": network_update,
}
