// Runs a TypeScript file of the project with the project's own Node, installing it first when needed.
//   node scripts/run.mjs <file.ts> [arguments…]
import { spawn } from 'node:child_process';
import { installPackages, PROJECT_NODE } from './bootstrap.mjs';

const [file, ...args] = process.argv.slice(2);
if (file === undefined) throw new Error('Which file? node scripts/run.mjs <file.ts> [arguments…]');
await installPackages();
const child = spawn(PROJECT_NODE, ['--disable-warning=ExperimentalWarning', file, ...args], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('close', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 128);
});
