import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { errorsPage } from './errors-page.ts';

test('docs/errors.md says what the error catalogue says', async () => {
  const page = await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  assert.equal(page, errorsPage(), 'run `npm run docs` and commit the page');
});
