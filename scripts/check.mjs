// Type check and lint of everything.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { installPackages, ROOT } from './bootstrap.mjs';

await installPackages();
const checks = [
  ['tsc', '-b'],
  ['biome', 'ci', '--colors=off', '.'],
];
for (const [program, ...args] of checks) {
  const { status } = spawnSync(join(ROOT, 'node_modules/.bin', program), args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
