import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Atoll } from './atoll.ts';

/** How a client is told where Atoll is: two URLs, or a domain with TLS and DNS. */
export type AddressForm = 'two-url' | 'domain';

/** A command line with the variables it needs. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Binds our resolver file over the system's, in a mount namespace that ends with the program: the client resolves
 * `*.<domain>` through Atoll's DNS server, and nothing on the machine changes. nsswitch.conf too, because systems with
 * systemd-resolved do not read resolv.conf.
 */
const WITH_OWN_RESOLVER =
  'mount --bind "$0/resolv.conf" /etc/resolv.conf && { [ ! -e /etc/nsswitch.conf ] || mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf; } && exec "$@"';

/** The program with everything that points it at an Atoll in one of the two address forms. */
export async function pointAt(program: Program, atoll: Atoll, form: AddressForm, folder: string): Promise<Program> {
  const env = { ...program.env, E2B_API_KEY: atoll.apiKey, CONFORMANCE_FORM: form };
  if (form === 'two-url')
    return { ...program, env: { ...env, E2B_API_URL: atoll.apiUrl, E2B_SANDBOX_URL: atoll.sandboxUrl } };
  if (atoll.domain === undefined || atoll.authority === undefined || atoll.resolver === undefined)
    throw new Error('this Atoll has no domain, certificate authority or resolver');
  const resolver = join(folder, 'resolver');
  await mkdir(resolver, { recursive: true });
  await writeFile(join(resolver, 'resolv.conf'), `nameserver ${atoll.resolver}\n`);
  await writeFile(join(resolver, 'nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
  return {
    command: 'unshare',
    args: [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      WITH_OWN_RESOLVER,
      resolver,
      program.command,
      ...program.args,
    ],
    env: {
      ...env,
      E2B_DOMAIN: atoll.domain,
      NODE_EXTRA_CA_CERTS: atoll.authority,
      SSL_CERT_FILE: atoll.authority,
    },
  };
}
