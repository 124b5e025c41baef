"""Watching directories: the asynchronous form gets events pushed, the synchronous one polls."""

import e2b
from context import NotApplicable, call, eventually


class Watched:
    def __init__(self, path, files):
        self.path, self.files, self.events, self.handle = path, files, [], None

    async def sees(self, kind, name):
        def look():
            if hasattr(self.handle, "get_new_events"):
                self.events.extend(self.handle.get_new_events())
            return next((event for event in self.events if event.type == kind and event.name == name), None)

        return await eventually(f"{kind} {name}", look, 10)


async def watched(t, name, **options):
    sandbox = await t.sandbox()
    path = f"/home/user/watch-{name}-{t.run}"
    await call(sandbox.files.make_dir(path))
    watch = Watched(path, sandbox.files)
    if t.is_async:
        watch.handle = await sandbox.files.watch_dir(path, on_event=watch.events.append, **options)
    else:
        watch.handle = sandbox.files.watch_dir(path, **options)
    return watch


async def follow(t, name):
    watch = await watched(t, name)
    kinds = e2b.FilesystemEventType
    await call(watch.files.write(f"{watch.path}/a", "one"))
    await watch.sees(kinds.CREATE, "a")
    await watch.sees(kinds.WRITE, "a")
    await call(watch.files.rename(f"{watch.path}/a", f"{watch.path}/b"))
    await watch.sees(kinds.RENAME, "a")
    await watch.sees(kinds.CREATE, "b")
    await call(watch.files.remove(f"{watch.path}/b"))
    await watch.sees(kinds.REMOVE, "b")
    await call(watch.handle.stop())


async def watch(t):
    if not t.is_async:
        raise NotApplicable("the synchronous form polls")
    await follow(t, "pushed")


async def watch_polling(t):
    if t.is_async:
        raise NotApplicable("the asynchronous form gets events pushed")
    await follow(t, "polled")


async def watch_recursive(t):
    watch = await watched(t, "recursive", recursive=True)
    await call(watch.files.make_dir(f"{watch.path}/sub"))
    await watch.sees(e2b.FilesystemEventType.CREATE, "sub")
    await call(watch.files.write(f"{watch.path}/sub/leaf", "x"))
    await watch.sees(e2b.FilesystemEventType.WRITE, "sub/leaf")
    await call(watch.handle.stop())


async def watch_entry(t):
    watch = await watched(t, "entry", include_entry=True)
    await call(watch.files.write(f"{watch.path}/a", "four"))
    event = await watch.sees(e2b.FilesystemEventType.WRITE, "a")
    assert event.entry is not None and event.entry.path == f"{watch.path}/a", event
    await call(watch.handle.stop())


OPERATIONS = {
    "watch": watch,
    "watch-recursive": watch_recursive,
    "watch-entry": watch_entry,
    "watch-polling": watch_polling,
}
