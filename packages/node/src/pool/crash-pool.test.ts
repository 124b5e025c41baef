import { describeCrashesOf } from '../testing/crash.ts';

describeCrashesOf('fill', ['slot', 'disk', 'manifest', 'guest', 'freeze']);
describeCrashesOf('assign', ['take', 'manifest', 'egress', 'thaw', 'init']);
