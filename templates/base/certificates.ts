import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where administrators put CA certificates: Debian and its kin, Fedora and its kin. */
const ADMINISTRATOR_FOLDERS = ['/usr/local/share/ca-certificates', '/etc/pki/ca-trust/source/anchors'];

const GUEST_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

/** The PEM certificates that the host's administrator added to the trusted ones, in a stable order. */
export async function hostCertificates(): Promise<string[]> {
  const found = new Set<string>();
  for (const folder of ADMINISTRATOR_FOLDERS) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (!/\.(crt|pem)$/.test(entry.name) || entry.isDirectory()) continue;
      const text = await readFile(join(entry.parentPath, entry.name), 'utf8').catch(() => '');
      if (text.includes('-----BEGIN CERTIFICATE-----')) found.add(text.trim());
    }
  }
  return [...found].sort();
}

/** Writes each certificate to a file of its own, as update-ca-certificates wants it. */
export async function writeCertificates(directory: string, certificates: readonly string[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [index, certificate] of certificates.entries()) {
    await writeFile(join(directory, `host-${index}.crt`), `${certificate}\n`);
  }
}

/**
 * The variables of every sandbox. With added certificates: the ones that make programs which bring their own list of CAs
 * (Node, and what pip installs: requests, httpx) use the system's.
 */
export function baseEnvironment(certificates: readonly string[]): Record<string, string> {
  const language = { LANG: 'C.UTF-8' };
  if (certificates.length === 0) return language;
  return {
    ...language,
    NODE_EXTRA_CA_CERTS: GUEST_BUNDLE,
    REQUESTS_CA_BUNDLE: GUEST_BUNDLE,
    SSL_CERT_FILE: GUEST_BUNDLE,
  };
}
