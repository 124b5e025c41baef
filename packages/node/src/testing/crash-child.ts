/**
 * A process that opens a node and is told where to kill itself: `crash-child.ts <place> <crashAt> <what>`. It does what
 * leads there: `create`, `fill`, `assign`, `end` or `bake`; `storm` creates and kills until somebody kills it.
 */
import type { BuildSummary } from '@atoll/contract';
import { bakeTestBuild, eventually, openTestNode, type TestPlace } from './test-node.ts';

const [placeText = '', crashAt = '', what = ''] = process.argv.slice(2);
// Written by the test that started this process.
const place = JSON.parse(placeText) as TestPlace;
const pooled = what === 'fill' || what === 'assign' || what === 'storm';
const { node, create } = await openTestNode(place, { crashAt, poolSize: pooled ? 1 : 0, warmAliases: ['minbase'] });
const [build] = await node.builds();
if (build === undefined) throw new Error('There is no build to start from.');
if (what === 'bake') await bakeTestBuild(node);
else if (what === 'storm') await Promise.all([createAndKill(build), createAndKill(build), createAndKill(build)]);
else await createOnce(build);
throw new Error(`${crashAt} was never reached.`);

async function createOnce(build: BuildSummary): Promise<void> {
  if (pooled) await eventually('the pool is full', () => node.pool().ready > 0);
  const { sandboxId } = await create(build);
  await node.kill(sandboxId, 'killed');
}

async function createAndKill(build: BuildSummary): Promise<void> {
  for (;;) {
    const { sandboxId } = await create(build);
    process.stdout.write(`${sandboxId}\n`);
    await node.kill(sandboxId, 'killed');
  }
}
