import { describeCrashesOf } from '../testing/crash.ts';

describeCrashesOf('create', ['slot', 'egress', 'disk', 'identity', 'manifest', 'guest', 'health', 'init']);
