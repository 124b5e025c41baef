import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { AtollError } from '@atoll/contract';

/** Host name of a sandbox: its id, which is a valid DNS label. */
export function hostnameOf(sandboxId: string): string {
  return sandboxId;
}

/**
 * What tells one guest from another, and what it was made from: names, resolver, machine id, template. Path below the
 * root -> content.
 */
export function identityFiles(identity: {
  readonly hostname: string;
  readonly gateway: string;
  readonly templateId: string;
  readonly buildId: string;
}): Readonly<Record<string, string>> {
  return {
    // Three names, two things: the oldest clients called a template an environment.
    '.e2b': `ENV_ID=${identity.templateId}\nTEMPLATE_ID=${identity.templateId}\nBUILD_ID=${identity.buildId}\n`,
    'etc/hostname': `${identity.hostname}\n`,
    // Without its own name in here, sudo and Python's servers wait seconds for DNS.
    'etc/hosts': `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 ${identity.hostname}\n`,
    'etc/resolv.conf': `nameserver ${identity.gateway}\n`,
    'etc/machine-id': `${randomBytes(16).toString('hex')}\n`,
  };
}

/**
 * Writes files into the root and the `/etc` of a guest that does not run, owned by root. The tree comes from a template, so nothing
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
      const partial = join(rootfs, `${name}.${randomBytes(6).toString('hex')}`);
      const file = await open(partial, 'wx', 0o644);
      try {
        await file.writeFile(content);
        await file.chmod(0o644);
      } finally {
        await file.close();
      }
      await rename(partial, join(rootfs, name));
    }),
  );
}
