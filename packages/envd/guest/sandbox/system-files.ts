import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setHostname } from './kernel-state.ts';

const IDENTITY_DIRECTORY = '/run/e2b';

/** The address by which a Debian system names itself. */
const OWN_ADDRESS = '127.0.1.1';

/** The bundle most programs of the distributions read. */
const TRUST_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
const ADDED_CERTIFICATES = '/usr/local/share/ca-certificates/e2b-ca.crt';

/** Files by which programs in the guest recognise the sandbox: `.E2B_SANDBOX` and the like. */
export function writeIdentityFiles(identity: Readonly<Record<string, string>>): void {
  mkdirSync(IDENTITY_DIRECTORY, { recursive: true });
  for (const [name, content] of Object.entries(identity)) writeFileSync(`${IDENTITY_DIRECTORY}/.${name}`, content);
}

/** Gives the guest a host name that it can also resolve: sudo waits for DNS otherwise. */
export function nameHost(name: string): void {
  setHostsEntry(OWN_ADDRESS, name);
  if (readIfThere('/etc/hostname').trim() !== name) writeFileSync('/etc/hostname', `${name}\n`);
  setHostname(name);
}

/** Makes the one line of an address in /etc/hosts say this name. A line with the name already there is left alone. */
export function setHostsEntry(address: string, name: string): void {
  const lines = readIfThere('/etc/hosts').split('\n');
  if (lines.some((line) => line.split('#', 1)[0]?.trim().split(/\s+/).slice(1).includes(name))) return;
  const others = lines.filter((line) => line !== '' && line.trim().split(/\s+/)[0] !== address);
  writeFileSync('/etc/hosts', `${[...others, `${address}\t${name}`].join('\n')}\n`);
}

/** Adds certificates to the ones programs trust. */
export function installCertificates(pem: string): void {
  mkdirSync(dirname(ADDED_CERTIFICATES), { recursive: true });
  writeFileSync(ADDED_CERTIFICATES, pem);
  if (!existsSync(TRUST_BUNDLE)) mkdirSync(dirname(TRUST_BUNDLE), { recursive: true });
  if (!readIfThere(TRUST_BUNDLE).includes(pem.trim())) appendFileSync(TRUST_BUNDLE, `\n${pem.trim()}\n`);
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
