#!/bin/bash
# Starts envd as process 1 of a throwaway copy of this machine: start-guest.sh <bundle> <port> <empty folder> [<shell>].
# With <shell>, a static busybox, the guest has that program and nothing else: no C library, no account files.
# To be run in fresh mount, process and host name namespaces (unshare): all writes go to a tmpfs that ends with them.
set -e

install_accounts() {
  printf '%s\n' 'root:x:0:0:root:/root:/bin/bash' 'user:x:1000:1000::/home/user:/bin/bash' > etc/passwd
  printf '%s\n' 'root:x:0:' 'sudo:x:27:user' 'user:x:1000:' > etc/group
  mkdir -p home/user
  mount -t tmpfs -o mode=1777 tmpfs tmp
  mount -t tmpfs -o mode=755,uid=1000,gid=1000 tmpfs home/user
}

bundle=$1 port=$2 folder=$3
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
if [ -z "$4" ]; then
  mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
else
  mkdir "$folder/root/bin" "$folder/root/root"
  cp "$4" "$folder/root/bin/sh"
fi
cd "$folder/root"
mkdir -p .atoll dev proc tmp
mount --bind "$bundle" .atoll
mount -t proc proc proc
mount -t tmpfs tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts devpts -o newinstance,ptmxmode=0666,mode=0620 dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
if [ -z "$4" ]; then
  install_accounts
fi
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LD_LIBRARY_PATH=/.atoll/lib \
  chroot "$folder/root" /.atoll/envd "$port"
