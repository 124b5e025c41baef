import { pino } from 'pino';
import { describeRuntimeContract } from '../runtime-contract.ts';
import { testRunsc } from '../testing/test-runsc.ts';
import { openGvisor } from './gvisor.ts';

describeRuntimeContract({
  name: 'gvisor',
  open: async (stateDir, cgroupParent) =>
    openGvisor({ runscPath: await testRunsc(), stateDir, cgroupParent, logger: pino({ level: 'silent' }) }),
});
