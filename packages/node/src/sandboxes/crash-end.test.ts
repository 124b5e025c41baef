import { describeCrashesOf } from '../testing/crash.ts';

describeCrashesOf('end', ['reason', 'guest', 'places', 'folder']);
