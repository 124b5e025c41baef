import type { Settings } from '../settings.ts';
import type { User } from '../users.ts';

/** Where programs are found when envd itself was started without a PATH. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The variables of a process, later ones winning. Nothing else of envd's own environment is passed on. */
export function processEnvironment(
  user: User,
  settings: Settings,
  requested: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    PATH: process.env.PATH ?? DEFAULT_PATH,
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    ...settings.envVars,
    ...settings.identityEnv,
    ...requested,
  };
}
