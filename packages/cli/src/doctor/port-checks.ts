import { cureOf, tryPorts } from '../server/ports.ts';
import type { Settings } from '../settings/schema.ts';
import { type Finding, failure, ok } from './finding.ts';

/** Whether the ports of the settings can be listened on. */
export async function portChecks(settings: Settings): Promise<Finding[]> {
  return (await tryPorts(settings)).map((state) => {
    const name = `port ${state.port}`;
    if (state.problem === undefined) return ok(name, 'free');
    return failure(name, state.problem, 'The server cannot listen there.', cureOf(state));
  });
}
