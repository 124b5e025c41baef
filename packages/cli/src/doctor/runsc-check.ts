import { findRunsc, PINNED_RUNSC } from '@atoll/runtime';
import { runscDirectory } from '../server/runsc.ts';
import type { Settings } from '../settings/schema.ts';
import { type Finding, ok, warning } from './finding.ts';

/** Which runsc a start would use, and which of those found are refused. */
export async function runscCheck(settings: Settings): Promise<Finding[]> {
  if (settings.runscPath !== undefined) return [ok('runsc', `${settings.runscPath} (from the settings)`)];
  const { runsc, refused } = await findRunsc({ directory: runscDirectory(settings) });
  if (runsc !== undefined) return [ok('runsc', `${runsc.version} (${runsc.path})`)];
  const reason = refused.map(({ path, reason }) => `${path}: ${reason}.`).join(' ');
  return [
    warning(
      'runsc',
      `${PINNED_RUNSC.label} is not installed`,
      reason === '' ? 'Nothing was started here yet.' : reason,
      '`atoll up` installs it by itself; `atoll prepare` does only that.',
    ),
  ];
}
