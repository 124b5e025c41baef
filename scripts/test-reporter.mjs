// A reporter for node:test that prints one line per file and, in full, what failed. Its last line counts the tests:
//   tests: <passed> passed, <failed> failed
import { relative } from 'node:path';

/** True for a test; not for the suites and files around it, unless a file itself fails (it could not be loaded). */
function isTest({ type, data }) {
  if (data.details?.type === 'suite' || data.details?.error?.failureType === 'subtestsFailed') return false;
  return type === 'test:fail' || data.name !== data.file;
}

function describeError(error) {
  const cause = error?.cause ?? error;
  return typeof cause === 'string' ? cause : (cause?.stack ?? String(cause?.message ?? cause));
}

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter as the default export of its module.
export default async function* report(source) {
  const files = new Map();
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for await (const event of source) {
    if (event.type === 'test:stderr' && process.env.ATOLL_TEST_OUTPUT === '1') yield event.data.message;
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    if (!isTest(event)) continue;
    const { name, file, details, skip, todo } = event.data;
    const counts = files.get(file) ?? { passed: 0, failed: 0, milliseconds: 0 };
    files.set(file, counts);
    counts.milliseconds += details.duration_ms;
    if (skip !== undefined) {
      skipped += 1;
      yield `- skipped: ${relative(process.cwd(), file)}: ${name}${typeof skip === 'string' ? ` (${skip})` : ''}\n`;
    } else if (event.type === 'test:pass' || todo !== undefined) {
      passed += 1;
      counts.passed += 1;
    } else {
      failed += 1;
      counts.failed += 1;
      const text = describeError(details.error).replaceAll('\n', '\n    ');
      yield `✗ ${relative(process.cwd(), file)}: ${name} (${details.duration_ms.toFixed(0)} ms)\n    ${text}\n`;
    }
  }
  for (const [file, counts] of files) {
    const mark = counts.failed === 0 ? '✓' : '✗';
    const seconds = (counts.milliseconds / 1000).toFixed(1);
    yield `${mark} ${relative(process.cwd(), file)} (${counts.passed} passed, ${counts.failed} failed, ${seconds} s)\n`;
  }
  if (skipped > 0) yield `${skipped} skipped\n`;
  yield `tests: ${passed} passed, ${failed} failed\n`;
}
