import { randomBytes, webcrypto } from 'node:crypto';
// The dependency injection of @peculiar/x509 asks for it to be loaded first.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { authorityName, MAX_COMMON_NAME } from './authority-name.ts';

/** A certificate and its private key, both PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Clients' clocks may be late. */
const CLOCK_SLACK_MS = DAY_MS;
const CA_DAYS = 3650;
/** Longer ones are refused by Apple's verifier. */
const LEAF_DAYS = 397;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const NAME_CONSTRAINTS = '2.5.29.30';

/** The names that the edge's certificate is for. */
export function certificateNames(domain: string): string[] {
  return [domain, `*.${domain}`, `api.${domain}`];
}

/** Makes an EC P-256 CA that may sign names of this domain only. */
export async function makeAuthority(domain: string): Promise<KeyedCertificate> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...validity(CA_DAYS),
      name: authorityName(domain),
      keys,
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
  return { certificate: certificate.toString('pem'), key: await privateKeyPem(keys) };
}

/** Makes the edge's certificate, signed by the CA. */
export async function makeLeaf(domain: string, authority: KeyedCertificate): Promise<KeyedCertificate> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const issuerKey = x509.PemConverter.decodeFirst(authority.key);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', issuerKey, ALGORITHM, false, ['sign']);
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...validity(LEAF_DAYS),
      subject: `CN=${domain.slice(0, MAX_COMMON_NAME)}`,
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(certificateNames(domain).map((value) => ({ type: 'dns', value }))),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate: certificate.toString('pem'), key: await privateKeyPem(keys) };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function privateKeyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
}

function validity(days: number): { serialNumber: string; notBefore: Date; notAfter: Date } {
  const notBefore = new Date(Date.now() - CLOCK_SLACK_MS);
  // A positive number of random bits, without a leading zero byte (RFC 5280, 4.1.2.2).
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
  const twoBytes = [tag, 0x82, length >> 8, length & 0xff];
  const head = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : twoBytes;
  return Buffer.concat([Buffer.from(head), content]);
}
