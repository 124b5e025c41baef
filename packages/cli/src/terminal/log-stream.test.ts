import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prettyLine } from './log-stream.ts';

test('a log line is shown with its time, level, message and fields', () => {
  const line = '{"level":40,"time":0,"component":"node","msg":"It is late.","delayMs":7}';
  assert.equal(prettyLine(line), '00:00:00.000 warn  It is late. component=node delayMs=7');
});

test('an error in the log is shown with its stack, and text that is no JSON as it is', () => {
  const line = '{"level":50,"time":0,"msg":"It broke.","err":{"message":"why","stack":"Error: why\\n  at x"}}';
  assert.equal(prettyLine(line), '00:00:00.000 ERROR It broke.\n  Error: why\n    at x');
  assert.equal(prettyLine('(node:1) Warning'), '(node:1) Warning');
});
