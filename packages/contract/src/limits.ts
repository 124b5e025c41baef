/** Port of envd inside every sandbox. */
export const ENVD_PORT = 49983;

/** The envd version that answers report: the highest one whose client-side gates all hold (protocol note envd, 9). */
export const ENVD_VERSION = '0.6.13';

/** `clientID` of every sandbox: required by the clients' types, without a meaning of its own. */
export const CLIENT_ID = 'atoll';

/** Seconds a sandbox lives when `POST /v2/sandboxes` names no timeout. */
export const DEFAULT_TIMEOUT_SECONDS_V2 = 300;

/** Seconds a sandbox lives when `POST /sandboxes` names no timeout. */
export const DEFAULT_TIMEOUT_SECONDS_V1 = 15;

/** The longest life a client may ask for, in seconds; a setting lifts it. */
export const DEFAULT_MAX_TIMEOUT_SECONDS = 24 * 60 * 60;

/** Largest API request body in bytes. */
export const MAX_API_BODY_BYTES = 16 * 1024 * 1024;

/** What a sandbox gets when neither its template nor its creator says otherwise. */
export const DEFAULT_RESOURCES = { cpuCount: 2, memoryMiB: 512, diskMiB: 10 * 1024 } as const;
