import { pino } from 'pino';
import { describeLimitsContract } from '../limits-contract.ts';
import { describeRuntimeContract } from '../runtime-contract.ts';
import type { RuntimeUnderTest } from '../testing/contract-harness.ts';
import { testRunsc } from '../testing/test-runsc.ts';
import { openGvisor } from './gvisor.ts';

const gvisor: RuntimeUnderTest = {
  name: 'gvisor',
  open: async (stateDir, cgroupParent) =>
    openGvisor({ runscPath: await testRunsc(), stateDir, cgroupParent, logger: pino({ level: 'silent' }) }),
};

describeRuntimeContract(gvisor);
describeLimitsContract(gvisor);
