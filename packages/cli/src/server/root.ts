import { CliError } from '../cli-error.ts';

/** Refuses a command that makes namespaces, mounts and firewall rules to anybody but root. */
export function refuseUnlessRoot(command: string): void {
  if (process.getuid?.() === 0) return;
  throw new CliError('Atoll needs root: it makes namespaces, mounts and firewall rules.', {
    remedy: `sudo ./atoll ${command}`,
  });
}
