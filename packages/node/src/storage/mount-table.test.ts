import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMountInfo } from './mount-table.ts';

describe('the mount table', () => {
  it('reads mount points with optional fields and escaped characters', () => {
    const text = [
      '36 35 98:0 /mnt1 /mnt/with\\040space rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue',
      '40 35 0:30 / /plain rw - overlay overlay rw,lowerdir=/a-b',
      '',
    ].join('\n');
    assert.deepEqual(parseMountInfo(text), [
      { mountPoint: '/mnt/with space', filesystemType: 'ext3' },
      { mountPoint: '/plain', filesystemType: 'overlay' },
    ]);
  });
});
