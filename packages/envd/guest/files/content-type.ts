import { extname } from 'node:path';

/** First bytes that tell a type which the name does not. */
const SIGNATURES: readonly (readonly [signature: string, type: string])[] = [
  ['\x89PNG\r\n\x1a\n', 'image/png'],
  ['\xff\xd8\xff', 'image/jpeg'],
  ['GIF87a', 'image/gif'],
  ['GIF89a', 'image/gif'],
  ['%PDF-', 'application/pdf'],
  ['PK\x03\x04', 'application/zip'],
  ['\x1f\x8b\x08', 'application/x-gzip'],
  ['<!DOCTYPE HTML', 'text/html; charset=utf-8'],
  ['<!doctype html', 'text/html; charset=utf-8'],
  ['<html', 'text/html; charset=utf-8'],
  ['<?xml', 'text/xml; charset=utf-8'],
];

/** How many bytes are looked at when the name tells nothing. */
export const SNIFFED_BYTES = 512;

/** The type of a file by its name. Undefined: sniff. */
export function typeByName(path: string): string | undefined {
  return extname(path) === '' ? undefined : knownType(Bun.file(path).type);
}

/** The type of a file by its first bytes: a known signature, text when nothing binary is seen. */
export function sniffType(head: Uint8Array): string {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
  const known = SIGNATURES.find(([signature]) => text.startsWith(signature));
  if (known !== undefined) return known[1];
  const isBinary = head.some(
    (byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0c && byte !== 0x0d && byte !== 0x1b,
  );
  return isBinary ? 'application/octet-stream' : 'text/plain; charset=utf-8';
}

function knownType(type: string): string | undefined {
  return type === '' || type === 'application/octet-stream' ? undefined : type;
}
