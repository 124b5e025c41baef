import Type, { type Static } from 'typebox';
import { NetworkView } from './sandbox-network.ts';
import { nullable, OneOf, StringMap, Timestamp } from './values.ts';

/** Answer of create and connect. */
export const Sandbox = Type.Object({
  templateID: Type.String(),
  sandboxID: Type.String(),
  clientID: Type.String(),
  envdVersion: Type.String(),
  alias: Type.Optional(Type.String()),
  envdAccessToken: Type.Optional(Type.String()),
  trafficAccessToken: Type.Optional(nullable<string>({ type: 'string' })),
  domain: Type.Optional(nullable<string>({ type: 'string' })),
});
export type Sandbox = Static<typeof Sandbox>;

const listedFields = {
  templateID: Type.String(),
  alias: Type.Optional(Type.String()),
  sandboxID: Type.String(),
  clientID: Type.String(),
  startedAt: Timestamp,
  endAt: Timestamp,
  cpuCount: Type.Integer(),
  memoryMB: Type.Integer(),
  diskSizeMB: Type.Integer(),
  metadata: Type.Optional(StringMap),
  state: OneOf(['running', 'paused']),
  envdVersion: Type.String(),
};

/** One entry of the lists. */
export const ListedSandbox = Type.Object(listedFields);
export type ListedSandbox = Static<typeof ListedSandbox>;

/** Answer of get. */
export const SandboxDetail = Type.Object({
  ...listedFields,
  envdAccessToken: Type.Optional(Type.String()),
  domain: Type.Optional(nullable<string>({ type: 'string' })),
  allowInternetAccess: Type.Optional(nullable<boolean>({ type: 'boolean' })),
  network: Type.Optional(NetworkView),
  lifecycle: Type.Optional(Type.Object({ autoResume: Type.Boolean(), onTimeout: OneOf(['kill', 'pause']) })),
});
export type SandboxDetail = Static<typeof SandboxDetail>;
