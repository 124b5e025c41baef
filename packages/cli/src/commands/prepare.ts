import { mkdirSync } from 'node:fs';
import { ensureBase } from '@atoll/template-base';
import type { Command } from '../command.ts';
import { provideGuestBundle } from '../server/guest-bundle.ts';
import { refuseUnlessRoot } from '../server/root.ts';
import { provideRunsc } from '../server/runsc.ts';
import { createProgress, progressPrinter } from '../terminal/progress.ts';

export const prepare: Command = {
  name: 'prepare',
  summary: 'Install all that a start needs, without starting: for machine images and tests',
  flags: { json: { type: 'boolean', description: 'Print where everything is, as JSON' } },
  async run({ loaded: { settings }, flags }) {
    refuseUnlessRoot('prepare');
    mkdirSync(settings.cacheDir, { recursive: true });
    const progress = createProgress(progressPrinter(process.stderr));
    const runsc = await progress.step('gVisor', (note, signal) => provideRunsc(settings, note, signal));
    const bundle = await progress.step('Guest programs', () => provideGuestBundle(settings.cacheDir));
    const base = await progress.step('Base template: files', (note, signal) =>
      ensureBase({
        cacheDirectory: settings.cacheDir,
        trustHostCertificates: settings.trustHostCertificates,
        ...(settings.debianMirror === undefined ? {} : { debianMirror: settings.debianMirror }),
        onProgress: note,
        signal,
      }),
    );
    const prepared = { runsc, guestBundle: bundle.directory, baseRoot: base.directory };
    if (flags.json === true) process.stdout.write(`${JSON.stringify(prepared, null, 2)}\n`);
    else process.stdout.write('Everything a start needs is there. Next: ./atoll up\n');
    return 0;
  },
};
