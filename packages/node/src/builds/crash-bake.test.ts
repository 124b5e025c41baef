import { describeCrashesOf } from '../testing/crash.ts';

describeCrashesOf('bake', ['begin', 'checkpoint', 'describe', 'measure', 'publish']);
