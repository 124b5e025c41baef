import { execFile } from 'node:child_process';
import { access, chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian's busybox-static puts it at one of these. */
const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'] as const;

const APPLETS = [
  'cat',
  'chmod',
  'chown',
  'dd',
  'df',
  'free',
  'hostname',
  'httpd',
  'id',
  'ls',
  'mkdir',
  'mount',
  'nproc',
  'ping',
  'ps',
  'rm',
  'seq',
  'sh',
  'sleep',
  'stat',
  'tail',
  'true',
  'umount',
  'yes',
] as const;

/** Runs the request's body as a shell script and answers with its output; its exit code is the last line. */
const RUN_SCRIPT = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
file=/dev/shm/run.$$
cat > $file
sh $file 2>&1
code=$?
rm -f $file
echo
echo $code
`;

/** What a test guest starts: a web server that runs commands, and nothing that ends. */
export const GUEST_PROCESS = {
  args: ['/bin/sh', '-c', 'httpd -p 8080 -h /srv; while :; do sleep 1000; done'],
  env: ['PATH=/bin', 'GREETING=hello'],
  cwd: '/',
} as const;

/** Makes a root folder of a few megabytes. Installs Debian's busybox-static when the machine has no busybox. */
export async function makeGuestRoot(directory: string): Promise<void> {
  const busybox = await findBusybox();
  for (const folder of ['bin', 'dev', 'etc', 'mnt', 'proc', 'srv/cgi-bin', 'sys', 'tmp']) {
    await mkdir(join(directory, folder), { recursive: true });
  }
  await chmod(join(directory, 'tmp'), 0o1777);
  await copyFile(busybox, join(directory, 'bin/busybox'));
  await Promise.all(APPLETS.map((applet) => symlink('busybox', join(directory, 'bin', applet))));
  const script = join(directory, 'srv/cgi-bin/run');
  await writeFile(script, RUN_SCRIPT);
  await chmod(script, 0o755);
}

async function findBusybox(): Promise<string> {
  for (const path of BUSYBOX) if (await isStatic(path)) return path;
  await run('apt-get', ['install', '-y', '-q', 'busybox-static']);
  for (const path of BUSYBOX) if (await isStatic(path)) return path;
  throw new Error('busybox-static did not bring a static busybox');
}

async function isStatic(path: string): Promise<boolean> {
  try {
    await access(path);
    // Debian's other package is dynamically linked and would need libraries in the guest.
    const { stdout } = await run('ldd', [path]).catch((error: unknown) => ({ stdout: String(error) }));
    return /not a dynamic executable|statically linked/.test(stdout);
  } catch {
    return false;
  }
}
