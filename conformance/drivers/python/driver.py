"""
Runs every operation with one installed version of the Python SDK: `python driver.py sync|async [operation...]`.
Each operation is written once; `call()` awaits where the form is asynchronous. Reports one JSON line per operation
(conformance/README.md).
"""

import asyncio
import json
import os
import sys
import threading
import time
import traceback

import commands
import files
import lifecycle
import network
import terminals
import urls
import watching
from context import Context, NotApplicable

# No operation needs longer on a busy machine; a hanging one must not hold the rest up.
OPERATION_DEADLINE = 45.0


def describe(error):
    frames = traceback.extract_tb(error.__traceback__)
    here = os.path.dirname(os.path.abspath(__file__))
    ours = [frame for frame in frames if os.path.dirname(frame.filename) == here]
    where = f" at {os.path.basename(ours[-1].filename)}:{ours[-1].lineno} {ours[-1].line}" if ours else ""
    return f"{type(error).__name__}: {error}{where}"[:900]


async def attempt(operation, context):
    try:
        await asyncio.wait_for(operation(context), OPERATION_DEADLINE)
        return {"status": "pass"}
    except NotApplicable as error:
        return {"status": "n.a.", "reason": str(error)}
    except Exception as error:
        return {"status": "fail", "reason": describe(error)}


def attempt_in_thread(operation, context):
    """The blocking form cannot be interrupted: it runs beside us and is left behind when it hangs."""
    result = {"status": "fail", "reason": f"no result within {OPERATION_DEADLINE} s"}
    thread = threading.Thread(
        target=lambda: result.update({"reason": None, **asyncio.run(attempt(operation, context))}), daemon=True
    )
    thread.start()
    thread.join(OPERATION_DEADLINE)
    return dict(result)


def report(line):
    print(json.dumps(line), flush=True)


async def main():
    mode, *wanted = sys.argv[1:]
    context = Context(mode)
    operations = {}
    for module in (lifecycle, commands, terminals, files, watching, urls, network):
        operations.update(module.OPERATIONS)
    names = [name for name in operations if not wanted or name in wanted]
    report({"plan": names})
    for name in names:
        started = time.monotonic()
        if mode == "sync":
            result = attempt_in_thread(operations[name], context)
        else:
            result = await attempt(operations[name], context)
        report({"operation": name, **result, "ms": round((time.monotonic() - started) * 1000)})
    await context.close()
    sys.stdout.flush()
    os._exit(0)  # threads that hang must not keep the program


asyncio.run(main())
