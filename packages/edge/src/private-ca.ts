import { KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
// The dependency injection of @peculiar/x509 asks for it to be loaded first.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** The files of a private CA and of the certificate it made for the edge. */
export interface CertificateFiles {
  /** Certificate for `<domain>`, `*.<domain>`; give it to `openEdge`. */
  readonly certPath: string;
  readonly keyPath: string;
  /** The CA's certificate: clients trust it by `NODE_EXTRA_CA_CERTS` (Node) or `SSL_CERT_FILE` (Python, Go, curl). */
  readonly caPath: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Clients' clocks may be late. */
const CLOCK_SLACK_MS = DAY_MS;
const CA_DAYS = 3650;
/** Longer ones are refused by Apple's verifier. */
const LEAF_DAYS = 397;
const LEAF_RENEWAL_DAYS = 60;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const NAME_CONSTRAINTS = '2.5.29.30';
/** X.520 bounds common names. */
const MAX_COMMON_NAME = 64;

/**
 * Makes sure that `directory` holds a private CA for the domain and a valid certificate of it. The CA is made once and
 * may sign names of this domain only, so that trusting it opens nothing else; the certificate is renewed when it has
 * less than 60 days left. Call it at start and now and then: an open edge takes a renewed certificate by itself.
 */
export async function ensurePrivateCa(options: { directory: string; domain: string }): Promise<CertificateFiles> {
  const { directory } = options;
  const domain = options.domain.toLowerCase();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = {
    certPath: join(directory, 'cert.pem'),
    keyPath: join(directory, 'key.pem'),
    caPath: join(directory, 'ca.pem'),
  };
  const caKeyPath = join(directory, 'ca-key.pem');

  let ca = await loadAuthority(files.caPath, caKeyPath, domain);
  if (ca === undefined) {
    ca = await makeAuthority(domain);
    await writePrivate(caKeyPath, await privateKeyPem(ca.keys));
    await writePublic(files.caPath, ca.certificate.toString('pem'));
  }
  if (!(await isLeafGood(files, ca.certificate, domain))) {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const leaf = await makeLeaf(domain, keys, ca);
    // The key first: a reader that meets a new key with an old certificate reads again, the edge's watcher does.
    await writePrivate(files.keyPath, await privateKeyPem(keys));
    await writePublic(files.certPath, leaf.toString('pem'));
  }
  return files;
}

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

async function loadAuthority(caPath: string, keyPath: string, domain: string): Promise<Authority | undefined> {
  const [certificatePem, keyPem] = await Promise.all([readIfThere(caPath), readIfThere(keyPath)]);
  if (certificatePem === undefined || keyPem === undefined) return undefined;
  const certificate = new x509.X509Certificate(certificatePem);
  const usable =
    certificate.subject === authorityName(domain) && certificate.notAfter.getTime() > Date.now() + LEAF_DAYS * DAY_MS;
  if (!usable) return undefined;
  const pkcs8 = x509.PemConverter.decodeFirst(keyPem);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign']);
  const publicKey = await certificate.publicKey.export(ALGORITHM, ['verify'], webcrypto);
  return { certificate, keys: { privateKey, publicKey: publicKey as webcrypto.CryptoKey } };
}

function authorityName(domain: string): string {
  return `CN=${`Atoll CA ${domain}`.slice(0, MAX_COMMON_NAME)}`;
}

async function makeAuthority(domain: string): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...validity(CA_DAYS),
      name: authorityName(domain),
      keys: keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        new x509.Extension(NAME_CONSTRAINTS, true, permittedDomain(domain)),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate, keys };
}

async function makeLeaf(domain: string, keys: webcrypto.CryptoKeyPair, ca: Authority): Promise<x509.X509Certificate> {
  return await x509.X509CertificateGenerator.create(
    {
      ...validity(LEAF_DAYS),
      subject: `CN=${domain.slice(0, MAX_COMMON_NAME)}`,
      issuer: ca.certificate.subject,
      publicKey: keys.publicKey,
      signingKey: ca.keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(certificateNames(domain).map((value) => ({ type: 'dns', value }))),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(ca.keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
}

function certificateNames(domain: string): string[] {
  return [domain, `*.${domain}`, `api.${domain}`];
}

function validity(days: number): { serialNumber: string; notBefore: Date; notAfter: Date } {
  const notBefore = new Date(Date.now() - CLOCK_SLACK_MS);
  // A positive number of 127 random bits (RFC 5280, 4.1.2.2).
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return { serialNumber: serial.toString('hex'), notBefore, notAfter: new Date(notBefore.getTime() + days * DAY_MS) };
}

/** `NameConstraints` (RFC 5280, 4.2.1.10): permitted is one DNS name with all beneath it. */
function permittedDomain(domain: string): ArrayBuffer {
  const base = derValue(0x82, Buffer.from(domain, 'ascii'));
  const der = derValue(0x30, derValue(0xa0, derValue(0x30, base)));
  return new Uint8Array(der).buffer;
}

/** One DER value; names are at most 253 bytes, so two length bytes are enough. */
function derValue(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

async function isLeafGood(files: CertificateFiles, ca: x509.X509Certificate, domain: string): Promise<boolean> {
  const [certificatePem, keyPem] = await Promise.all([readIfThere(files.certPath), readIfThere(files.keyPath)]);
  if (certificatePem === undefined || keyPem === undefined) return false;
  const leaf = new X509Certificate(certificatePem);
  const issuer = new X509Certificate(ca.toString('pem'));
  const privateKey = await webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(keyPem), ALGORITHM, true, [
    'sign',
  ]);
  return (
    Date.parse(leaf.validTo) > Date.now() + LEAF_RENEWAL_DAYS * DAY_MS &&
    leaf.verify(issuer.publicKey) &&
    certificateNames(domain).every((name) => leaf.subjectAltName?.split(', ').includes(`DNS:${name}`)) &&
    leaf.checkPrivateKey(KeyObject.from(privateKey))
  );
}

async function privateKeyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const writePrivate = (path: string, text: string): Promise<void> => replaceFile(path, text, 0o600);
const writePublic = (path: string, text: string): Promise<void> => replaceFile(path, text, 0o644);

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
