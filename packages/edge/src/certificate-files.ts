import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Logger } from 'pino';

const CHECK_MS = 60_000;

/** Reads a certificate and its key, and tells later when they were replaced. Refuses files that do not fit together. */
export async function loadCertificate(paths: { cert: string; key: string }): Promise<SecureContextOptions> {
  const [cert, key] = await Promise.all([readFile(paths.cert), readFile(paths.key)]);
  const credentials: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2' };
  createSecureContext(credentials);
  return credentials;
}

/** Calls back with new credentials when the files change. A renewal that is only half written is met again next time. */
export function watchCertificate(
  paths: { cert: string; key: string },
  onRenewed: (credentials: SecureContextOptions) => void,
  logger: Logger,
  intervalMs = CHECK_MS,
): { close(): void } {
  let known: string | undefined;
  const check = async (): Promise<void> => {
    try {
      const stats = await Promise.all([stat(paths.cert), stat(paths.key)]);
      const version = stats.map(({ mtimeMs, ino }) => `${mtimeMs}:${ino}`).join();
      if (known !== undefined && known !== version) onRenewed(await loadCertificate(paths));
      known = version;
    } catch (error) {
      logger.warn({ err: error, cert: paths.cert }, 'the renewed certificate can not be used yet, the old one stays');
    }
  };
  void check();
  const timer = setInterval(() => void check(), intervalMs);
  timer.unref();
  return { close: () => clearInterval(timer) };
}
