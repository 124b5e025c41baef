import { installRunsc } from '@atoll/runtime';

/** Kept between runs: building it takes a minute. */
const CACHE = '/var/cache/atoll-test/runsc';

/** The runsc that tests use: the one that the environment names, else one that fits. */
export async function testRunsc(): Promise<string> {
  return process.env.ATOLL_RUNSC_PATH ?? (await installRunsc({ directory: CACHE, onProgress: () => undefined }));
}
