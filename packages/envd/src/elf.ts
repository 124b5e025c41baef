/** Type of the program header that names the dynamic loader. */
const PT_INTERP = 3;

const ELF_MAGIC = 0x464c457f;
const CLASS_64_LITTLE_ENDIAN = 0x0102;

/** The dynamic loader a 64-bit ELF program asks for. Throws when it asks for none. */
export function dynamicLoaderOf(image: Buffer): string {
  const { start, end } = findInterpreter(image);
  return image.toString('utf8', start, end).replace(/\0.*$/s, '');
}

/** Makes a program ask for another dynamic loader, whose path must not be longer than the present one. */
export function patchDynamicLoader(image: Buffer, path: string): void {
  const { start, end } = findInterpreter(image);
  if (Buffer.byteLength(path) >= end - start)
    throw new Error(`"${path}" does not fit in place of the program's loader`);
  image.fill(0, start, end);
  image.write(path, start);
}

function findInterpreter(image: Buffer): { start: number; end: number } {
  if (image.readUInt32LE(0) !== ELF_MAGIC || image.readUInt16LE(4) !== CLASS_64_LITTLE_ENDIAN) {
    throw new Error('not a 64-bit little-endian ELF program');
  }
  const table = Number(image.readBigUInt64LE(0x20));
  const entrySize = image.readUInt16LE(0x36);
  const count = image.readUInt16LE(0x38);
  for (let offset = table; offset < table + count * entrySize; offset += entrySize) {
    if (image.readUInt32LE(offset) !== PT_INTERP) continue;
    const start = Number(image.readBigUInt64LE(offset + 0x08));
    return { start, end: start + Number(image.readBigUInt64LE(offset + 0x20)) };
  }
  throw new Error('the program has no dynamic loader');
}
