import { access } from 'node:fs/promises';

/** The runsc that tests use: the one of the environment, else the pinned build from the tests' cache. */
export async function testRunsc(): Promise<string> {
  const named = process.env.ATOLL_RUNSC_PATH;
  if (named !== undefined) return named;
  await access('/tmp/gobin/runsc');
  return '/tmp/gobin/runsc';
}
