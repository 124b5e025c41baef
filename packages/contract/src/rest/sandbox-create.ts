import Type, { type Static } from 'typebox';
import { NetworkBody } from './sandbox-network.ts';
import { StringMap } from './values.ts';

/** Body of both create routes; they differ in the default timeout and in `secure`. */
export const CreateBody = Type.Object({
  templateID: Type.String({ minLength: 1, maxLength: 256, description: '[namespace/]alias[:tag], or a template id.' }),
  timeout: Type.Optional(Type.Integer({ description: 'Seconds until it ends. Default 300 (v1: 15).' })),
  autoPause: Type.Optional(Type.Boolean({ default: false })),
  autoPauseMemory: Type.Optional(Type.Boolean({ default: true })),
  autoResume: Type.Optional(Type.Object({ enabled: Type.Optional(Type.Boolean({ default: false })) })),
  secure: Type.Optional(Type.Boolean({ default: false, description: 'v1 only; v2 is always secured.' })),
  allow_internet_access: Type.Optional(Type.Boolean()),
  network: Type.Optional(Type.Union([Type.Boolean({ description: 'Short for allow_internet_access.' }), NetworkBody])),
  metadata: Type.Optional(StringMap),
  envVars: Type.Optional(StringMap),
  mcp: Type.Optional(Type.Unknown({ description: 'For information; the client starts the gateway itself.' })),
  iam: Type.Optional(
    Type.Object({
      tokens: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true })),
    }),
  ),
  volumeMounts: Type.Optional(Type.Array(Type.Object({}))),
  volumes: Type.Optional(Type.Array(Type.Object({}), { description: 'Alias of volumeMounts.' })),
  cpuCount: Type.Optional(Type.Integer({ minimum: 1, description: "Default: the template's." })),
  memoryMB: Type.Optional(Type.Integer({ minimum: 128, description: "MiB. Default: the template's." })),
  diskSizeMB: Type.Optional(Type.Integer({ minimum: 64, description: "MiB. Default: the template's." })),
});
export type CreateBody = Static<typeof CreateBody>;

/** Body of connect v2; v1 takes the same, for clients differ in what they leave out. */
export const ConnectBody = Type.Object({
  timeout: Type.Optional(Type.Integer({ default: 300, description: 'Seconds from now; never shortens.' })),
  memory: Type.Optional(Type.Boolean({ description: 'Of no effect on a running sandbox.' })),
});
export type ConnectBody = Static<typeof ConnectBody>;

export const ResumeBody = Type.Object({
  timeout: Type.Optional(Type.Integer({ default: 15 })),
  autoPause: Type.Optional(Type.Boolean()),
  memory: Type.Optional(Type.Boolean()),
});

export const TimeoutBody = Type.Object({
  timeout: Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1, description: 'Seconds from now; 0 ends it at once.' }),
});

export const RefreshBody = Type.Object({
  duration: Type.Optional(Type.Integer({ minimum: 0, maximum: 3600, description: 'Seconds; at least 15 count.' })),
});
