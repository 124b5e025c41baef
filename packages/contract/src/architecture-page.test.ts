import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const ROOT = new URL('../../../', import.meta.url);

test('every file that docs/architecture.md names exists', async () => {
  const page = await readFile(new URL('docs/architecture.md', ROOT), 'utf8');
  const named = new Set(
    page.match(/\b(?:packages|templates|conformance|bench|scripts)\/[\w./-]+\.(?:ts|mjs|proto)\b/g),
  );
  assert.ok(named.size > 10, 'the page names the files of its flows');
  const missing: string[] = [];
  for (const file of named) await access(new URL(file, ROOT)).catch(() => missing.push(file));
  assert.deepEqual(missing, []);
});
