/** What `POST /init` has told this sandbox. One instance, owned by `main.ts`; it survives in memory snapshots. */
export interface Settings {
  /** Absent: every request is accepted. */
  accessToken: string | undefined;
  /** Default variables of every process, as the creator gave them. */
  envVars: Readonly<Record<string, string>>;
  /** Variables of every process that nobody can overwrite: `E2B_SANDBOX` and the like. */
  identityEnv: Readonly<Record<string, string>>;
  defaultUser: string;
  /** Absent: the user's home. */
  defaultWorkdir: string | undefined;
  /** Unix milliseconds of the newest accepted `/init`. */
  lastInitAt: number;
  lifecycleId: string | undefined;
  /** When a client last asked for something, `performance.now()` milliseconds. */
  lastRequestAt: number;
}

export function initialSettings(): Settings {
  return {
    accessToken: undefined,
    envVars: {},
    identityEnv: { E2B_SANDBOX: 'true' },
    defaultUser: 'root',
    defaultWorkdir: undefined,
    lastInitAt: Number.NEGATIVE_INFINITY,
    lifecycleId: undefined,
    lastRequestAt: 0,
  };
}
