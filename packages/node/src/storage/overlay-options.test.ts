import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planOverlay } from './overlay-options.ts';

describe('the plan of an overlay', () => {
  const upper = '/disks/a/disk/upper';
  const work = '/disks/a/disk/work';

  it('names the topmost layer first, as overlayfs wants it', () => {
    const plan = planOverlay({ layers: ['/layers/bottom', '/layers/top'], upper, work });
    assert.equal(
      plan.options,
      'lowerdir=/layers/top:/layers/bottom,upperdir=/disks/a/disk/upper,workdir=/disks/a/disk/work,volatile',
    );
    assert.equal(plan.workingDirectory, '/');
  });

  it('escapes what overlayfs and mount would take as separators', () => {
    const plan = planOverlay({ layers: ['/a:b,c\\d'], upper: '/u,p', work });
    assert.match(plan.options, /^lowerdir=\/a\\:b\\,c\\\\d,upperdir=\/u\\,p,/);
  });

  it('names many layers relative to the folder they share', () => {
    const layers = Array.from({ length: 60 }, (_, index) => `/var/lib/${'deep/'.repeat(20)}layers/${index}`);
    const plan = planOverlay({ layers, upper, work });
    assert.equal(plan.workingDirectory, `/var/lib/${'deep/'.repeat(20)}layers`);
    assert.match(plan.options, /^lowerdir=59:58:/);
  });

  it('refuses a stack that the kernel would not take', () => {
    const layers = Array.from({ length: 60 }, (_, index) => `/layers/${'x'.repeat(100)}${index}`);
    assert.throws(() => planOverlay({ layers, upper, work }), /too deep/);
  });
});
