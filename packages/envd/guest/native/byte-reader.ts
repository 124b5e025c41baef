/** Bytes of a descriptor, as they come. */
export interface ByteReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/**
 * Reads a non-blocking descriptor through the event loop, some hundred KiB ahead at most. The descriptor stays the
 * caller's to close, also after the end.
 */
export function byteReader(descriptor: number): ByteReader {
  return Bun.file(descriptor).stream().getReader();
}
