import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { affordableProcesses } from './control-socket.ts';

describe('the process limit of a gVisor guest', () => {
  const limits = { cpuCount: 2, memoryMiB: 512, maxProcesses: 4096 };

  it('is what its memory can pay, one per MiB', () => {
    assert.equal(affordableProcesses(limits), 512);
    assert.equal(affordableProcesses({ ...limits, memoryMiB: 8192 }), 4096);
    assert.equal(affordableProcesses({ ...limits, maxProcesses: 0 }), 512);
  });

  it('leaves a small guest enough to work with', () => {
    assert.equal(affordableProcesses({ ...limits, memoryMiB: 64 }), 256);
    assert.equal(affordableProcesses({ ...limits, memoryMiB: 64, maxProcesses: 100 }), 100);
  });

  it('is as asked for where memory has no limit', () => {
    assert.equal(affordableProcesses({ ...limits, memoryMiB: 0 }), 4096);
  });
});
