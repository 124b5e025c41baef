import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { authorityName } from './authority-name.ts';
import type { KeyedCertificate } from './certificate-maker.ts';

/** The files of a private CA and of the certificate it made for the edge. */
export interface CertificateFiles {
  /** Certificate for `<domain>`, `*.<domain>`; give it to `openEdge`. */
  readonly certPath: string;
  readonly keyPath: string;
  /** The CA's certificate: clients trust it by `NODE_EXTRA_CA_CERTS` (Node) or `SSL_CERT_FILE` (Python, Go, curl). */
  readonly caPath: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** A CA must outlive what it signs. */
const CA_RENEWAL_DAYS = 400;
const LEAF_RENEWAL_DAYS = 60;

/**
 * Makes sure that `directory` holds a private CA for the domain and a valid certificate of it. The CA is made once and
 * may sign names of this domain only, so that trusting it opens nothing else; the certificate is renewed when it has
 * less than 60 days left. Call it at start and now and then: an open edge takes a renewed certificate by itself.
 */
export async function ensurePrivateCa(options: { directory: string; domain: string }): Promise<CertificateFiles> {
  const { directory } = options;
  const domain = options.domain.toLowerCase();
  const files = {
    certPath: join(directory, 'cert.pem'),
    keyPath: join(directory, 'key.pem'),
    caPath: join(directory, 'ca.pem'),
  };
  const caKeyPath = join(directory, 'ca-key.pem');
  await mkdir(directory, { recursive: true, mode: 0o700 });

  let authority = await loadPair(files.caPath, caKeyPath);
  if (authority === undefined || !isGood(authority, CA_RENEWAL_DAYS) || !mayItSign(authority, domain)) {
    const { makeAuthority } = await maker();
    authority = await makeAuthority(domain);
    await replaceFile(caKeyPath, authority.key, 0o600);
    await replaceFile(files.caPath, authority.certificate, 0o644);
  }
  const leaf = await loadPair(files.certPath, files.keyPath);
  if (leaf === undefined || !isGood(leaf, LEAF_RENEWAL_DAYS) || !isSignedBy(leaf, authority)) {
    const { makeLeaf } = await maker();
    const renewed = await makeLeaf(domain, authority);
    // A reader between the two writes finds files that do not fit and reads again later.
    await replaceFile(files.keyPath, renewed.key, 0o600);
    await replaceFile(files.certPath, renewed.certificate, 0o644);
  }
  return files;
}

/** Loaded only when something must be made: the library takes longer to load than all the checks. */
function maker(): Promise<typeof import('./certificate-maker.ts')> {
  return import('./certificate-maker.ts');
}

function isGood(pair: KeyedCertificate, daysLeft: number): boolean {
  const certificate = new X509Certificate(pair.certificate);
  const lasts = Date.parse(certificate.validTo) > Date.now() + daysLeft * DAY_MS;
  return lasts && certificate.checkPrivateKey(createPrivateKey(pair.key));
}

/** The CA's name tells its domain: its name constraint refuses any other. */
function mayItSign(authority: KeyedCertificate, domain: string): boolean {
  return new X509Certificate(authority.certificate).subject === authorityName(domain);
}

function isSignedBy(leaf: KeyedCertificate, authority: KeyedCertificate): boolean {
  return new X509Certificate(leaf.certificate).verify(new X509Certificate(authority.certificate).publicKey);
}

async function loadPair(certificatePath: string, keyPath: string): Promise<KeyedCertificate | undefined> {
  const [certificate, key] = await Promise.all([readIfThere(certificatePath), readIfThere(keyPath)]);
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Puts a file in place whole and durable, with its mode from the first byte on. */
async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString('hex')}`;
  const file = await open(draft, 'wx', mode);
  try {
    await file.writeFile(text.endsWith('\n') ? text : `${text}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
