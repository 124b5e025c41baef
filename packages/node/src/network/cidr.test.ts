import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coverWithCidrs, formatRange, isInside, mergeRanges, parseCidr } from './cidr.ts';

test('addresses and CIDRs are read as the ranges they mean, host bits ignored', () => {
  assert.equal(formatRange(parseCidr('1.2.3.4')), '1.2.3.4');
  assert.equal(formatRange(parseCidr('10.1.2.3/8')), '10.0.0.0-10.255.255.255');
  assert.equal(formatRange(parseCidr('0.0.0.0/0')), '0.0.0.0-255.255.255.255');
});

test('what is no IPv4 address or CIDR is refused', () => {
  for (const bad of [
    '',
    '1.2.3',
    '01.2.3.4',
    '1.2.3.256',
    '1.2.3.4/',
    '1.2.3.4/33',
    '1.2.3.4/-1',
    '1.2.3.4/1e1',
    '::1',
  ]) {
    assert.throws(() => parseCidr(bad), { code: 'invalid_request' }, bad);
  }
});

test('ranges that overlap, nest or touch become one, and others stay apart', () => {
  const merged = mergeRanges(
    ['10.0.1.0/24', '10.0.0.0/24', '10.0.0.7', '10.0.3.0/24', '255.255.255.255'].map(parseCidr),
  );
  assert.deepEqual(merged.map(formatRange), ['10.0.0.0-10.0.1.255', '10.0.3.0-10.0.3.255', '255.255.255.255']);
});

test('a range is inside others only when one of them holds all of it', () => {
  const outer = ['10.0.0.0/8', '192.168.0.0/16'].map(parseCidr);
  assert.ok(isInside(parseCidr('10.9.0.0/16'), outer));
  assert.ok(!isInside(parseCidr('0.0.0.0/0'), outer));
  assert.ok(!isInside(parseCidr('11.0.0.0/32'), outer));
});

test('a range is covered by the fewest CIDRs', () => {
  const cover = (first: string, last: string): string[] =>
    coverWithCidrs({ first: parseCidr(first).first, last: parseCidr(last).first });
  assert.deepEqual(cover('10.0.0.3', '10.0.0.8'), ['10.0.0.3/32', '10.0.0.4/30', '10.0.0.8/32']);
  assert.deepEqual(cover('0.0.0.0', '255.255.255.255'), ['0.0.0.0/0']);
});
