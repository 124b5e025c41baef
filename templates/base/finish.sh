#!/bin/sh
# Turns a fresh Debian root ($1) into the base template. Runs as mmdebstrap's last hook: /proc, /dev and /sys are mounted.
# ATOLL_BASE_FILES: files to lay over the root; ATOLL_BASE_CERTIFICATES: folder of extra CA certificates, may be empty.
set -eu
root="$1"

in_root() {
  chroot "$root" "$@"
}

# 1. Files of ours. Owner and modes are set: those of a clone depend on who cloned it, and with which umask.
chmod -R u=rwX,go=rX "$ATOLL_BASE_FILES"
cp -R "$ATOLL_BASE_FILES/." "$root/"
find "$ATOLL_BASE_FILES" -mindepth 1 -printf "%P\\0" | (cd "$root" && xargs -0 chown -h root:root)
chmod 0440 "$root/etc/sudoers.d/user"
cp "$root/etc/skel/.bashrc" "$root/etc/skel/.profile" "$root/root/"

# 2. Users. Neither has a password; sudo asks for none.
in_root useradd --uid 1000 --create-home --shell /bin/bash --groups sudo user
in_root passwd --quiet --delete user
in_root passwd --quiet --delete root

# 3. The CA certificates of the host's administrator.
if [ -n "$(ls -A "$ATOLL_BASE_CERTIFICATES")" ]; then
  cp "$ATOLL_BASE_CERTIFICATES"/*.crt "$root/usr/local/share/ca-certificates/"
  in_root update-ca-certificates >/dev/null
fi

# 4. `pip install` works as clients expect it, system-wide and without a virtual environment.
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED

# 5. Folders clients write to, and the points where a sandbox gets its mounts.
mkdir -p "$root/code" "$root/.atoll" "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp"
chmod 0777 "$root/code"
chmod 1777 "$root/tmp"
chmod -R a+rwX "$root/usr/local"
find "$root/usr/local" -type d -exec chmod 0777 {} +

# 6. What every sandbox gets of its own, and what only costs space.
: >"$root/etc/machine-id"
rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root/var/lib/dbus/machine-id"
: >"$root/etc/resolv.conf"
printf 'sandbox\n' >"$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/log/* "$root"/tmp/*
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
