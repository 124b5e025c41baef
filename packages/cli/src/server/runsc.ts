import { join } from 'node:path';
import { installRunsc } from '@atoll/runtime';
import type { Settings } from '../settings/schema.ts';

/** Where our own build of runsc is kept. */
export const runscDirectory = (settings: Settings): string => join(settings.cacheDir, 'runsc');

/** The runsc to use: the one that the settings name, else one that fits, installed first when there is none. */
export async function provideRunsc(
  settings: Settings,
  onProgress: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  return settings.runscPath ?? installRunsc({ directory: runscDirectory(settings), onProgress, signal });
}
