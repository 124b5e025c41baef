import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { AtollError } from '@atoll/contract';

/** Host name of a sandbox: its id, which is a valid DNS label. */
export function hostnameOf(sandboxId: string): string {
  return sandboxId;
}

/** What tells one guest from another in its `/etc`: names, resolver, machine id. Path below `/etc` -> content. */
export function identityFiles(identity: {
  readonly hostname: string;
  readonly gateway: string;
}): Readonly<Record<string, string>> {
  return {
    hostname: `${identity.hostname}\n`,
    // Without its own name in here, sudo and Python's servers wait seconds for DNS.
    hosts: `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 ${identity.hostname}\n`,
    'resolv.conf': `nameserver ${identity.gateway}\n`,
    'machine-id': `${randomBytes(16).toString('hex')}\n`,
  };
}

/**
 * Writes files into the `/etc` of a guest that does not run, owned by root. The tree comes from a template, so nothing
 * in it is trusted: no link is followed, a link that has one of the names is replaced.
 */
export async function writeIdentityFiles(rootfs: string, files: Readonly<Record<string, string>>): Promise<void> {
  const etc = join(rootfs, 'etc');
  await mkdir(etc, { mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if (!(await lstat(etc)).isDirectory()) {
    throw new AtollError('sandbox_create_failed', "The template's /etc is not a directory; build it again with one.");
  }
  await Promise.all(
    Object.entries(files).map(async ([name, content]) => {
      // `wx` never opens what is there, neither file nor link; renaming replaces a link, it does not follow it.
      const partial = join(etc, `.${name}.${randomBytes(6).toString('hex')}`);
      const file = await open(partial, 'wx', 0o644);
      try {
        await file.writeFile(content);
        await file.chmod(0o644);
      } finally {
        await file.close();
      }
      await rename(partial, join(etc, name));
    }),
  );
}
