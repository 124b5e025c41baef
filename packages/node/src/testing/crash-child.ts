/**
 * A process that opens a node and is told where to kill itself: `crash-child.ts <place> <crashAt> <what>`. It does what
 * leads there: `create`, `fill`, `assign`, `end` or `bake`.
 */
import type { BuildSummary } from '@atoll/contract';
import { bakeTestBuild, eventually, openTestNode, type TestPlace } from './test-node.ts';

const [placeText = '', crashAt = '', what = ''] = process.argv.slice(2);
const place = JSON.parse(placeText) as TestPlace;
const pooled = what === 'fill' || what === 'assign';
const { node, create } = await openTestNode(place, { crashAt, poolSize: pooled ? 1 : 0, warmAliases: ['minbase'] });
const [build] = await node.builds();
if (what === 'bake') await bakeTestBuild(node);
else await run(requireBuild(build));
throw new Error(`${crashAt} was never reached.`);

async function run(build: BuildSummary): Promise<void> {
  if (pooled) await eventually('the pool is full', () => node.pool().ready > 0);
  const { sandboxId } = await create(build);
  await node.kill(sandboxId, 'killed');
}

function requireBuild(build: BuildSummary | undefined): BuildSummary {
  if (build === undefined) throw new Error('There is no build to start from.');
  return build;
}
