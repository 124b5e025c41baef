import type { Command } from '../command.ts';
import type { Finding } from '../doctor/finding.ts';
import { hostChecks } from '../doctor/host-checks.ts';
import { portChecks } from '../doctor/port-checks.ts';
import { runscCheck } from '../doctor/runsc-check.ts';
import { toolChecks } from '../doctor/tool-checks.ts';
import { findServer } from '../server/server-state.ts';
import type { LoadedSettings } from '../settings/load.ts';
import { SETTINGS } from '../settings/schema.ts';
import { table } from '../terminal/table.ts';

const MARKS = { ok: '✓', warning: '!', failure: '✗' } as const;

export const doctor: Command = {
  name: 'doctor',
  summary: 'Check this machine, run one real sandbox, and say what is wrong and how to cure it',
  flags: {
    json: { type: 'boolean', description: 'As JSON' },
    quick: { type: 'boolean', description: 'Without the sandbox' },
  },
  async run({ loaded, flags }) {
    const { settings } = loaded;
    // Only root may read where a server is; that we are not root is a finding of its own.
    const server = process.getuid?.() === 0 ? findServer(settings.dataDir) : undefined;
    const findings = [
      ...hostChecks(settings),
      ...(await toolChecks()),
      ...(await runscCheck(settings)),
      // A running server holds its ports itself.
      ...(server === undefined ? await portChecks(settings) : []),
    ];
    const hopeless = findings.some((finding) => finding.status === 'failure');
    if (flags.quick !== true && !hopeless) {
      const { sandboxCheck } = await import('../doctor/sandbox-check.ts');
      findings.push(...(await sandboxCheck(settings, server)));
    }
    const settled = describeSettings(loaded);
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify({ findings, settings: settled }, null, 2)}\n`
        : `${findings.map(printed).join('\n')}\n\nSettings${loaded.configFile === undefined ? '' : ` (with ${loaded.configFile})`}\n${table(settled.map(({ name, value, origin }) => [`  ${name}`, value, origin]))}\n\n${verdict(findings)}\n`,
    );
    return findings.some((finding) => finding.status === 'failure') ? 1 : 0;
  },
};

function printed({ name, status, found, cause, cure }: Finding): string {
  const line = `${MARKS[status]} ${name.padEnd(16)} ${found}`;
  return cause === undefined ? line : `${line}\n    Cause: ${cause}\n    Cure:  ${cure}`;
}

function describeSettings({ settings, origins }: LoadedSettings): { name: string; value: string; origin: string }[] {
  return SETTINGS.map(({ name, secret }) => {
    const value = settings[name];
    const shown = value === undefined || (Array.isArray(value) && value.length === 0) ? '-' : String(value);
    return { name, value: secret && value !== undefined ? '(secret)' : shown, origin: origins[name] ?? 'default' };
  });
}

function verdict(findings: readonly Finding[]): string {
  const failures = findings.filter((finding) => finding.status === 'failure').length;
  if (failures > 0) return `${failures} thing${failures === 1 ? '' : 's'} to cure before Atoll can run here.`;
  return 'This machine is fit. Next: ./atoll demo';
}
