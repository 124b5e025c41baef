import Type, { type Static } from 'typebox';
import { nullable, OneOf, StringMap } from './values.ts';

export const PortRuleBody = Type.Object({
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  protocol: OneOf(['tcp', 'udp']),
  access: OneOf(['allow', 'deny']),
  description: Type.Optional(Type.String({ maxLength: 256 })),
});

export const DnsBody = Type.Object({
  customServers: Type.Optional(Type.Array(Type.String(), { maxItems: 10, description: 'IPv4 addresses.' })),
  blockAutoDetect: Type.Optional(Type.Boolean({ description: 'Only the named resolvers are reachable.' })),
});

const EgressProxyBody = Type.Object({
  address: Type.String(),
  username: Type.Optional(Type.String({ maxLength: 255 })),
  password: Type.Optional(Type.String({ maxLength: 255 })),
  tls: Type.Optional(Type.Object({})),
});

const VpnBody = Type.Object({ enabled: Type.Optional(Type.Boolean()) });

/** The fields that both create and the network update take. */
const egressFields = {
  allowOut: Type.Optional(Type.Array(Type.String(), { description: 'Addresses and CIDRs. Allow beats deny.' })),
  denyOut: Type.Optional(Type.Array(Type.String(), { description: 'Addresses and CIDRs; 0.0.0.0/0 is everything.' })),
  dnsServers: Type.Optional(
    Type.Array(Type.String(), { maxItems: 10, description: 'IPv4 resolvers that stay reachable.' }),
  ),
  egressProxy: Type.Optional(EgressProxyBody),
  rules: Type.Optional(
    Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true, description: 'By domain.' }),
  ),
  dns: Type.Optional(DnsBody),
  ports: Type.Optional(Type.Array(PortRuleBody, { maxItems: 100 })),
  vpn: Type.Optional(VpnBody),
};

/** `network` of a create request. */
export const NetworkBody = Type.Object({
  ...egressFields,
  allowPublicTraffic: Type.Optional(Type.Boolean({ default: true })),
  maskRequestHost: Type.Optional(
    Type.String({ description: 'host[:port], may hold the placeholder $PORT in braces.' }),
  ),
  httpsPorts: Type.Optional(Type.Array(Type.Integer(), { maxItems: 100, description: 'Ports that speak TLS.' })),
});
export type NetworkBody = Static<typeof NetworkBody>;

/** Body of the network update: replaces the whole egress part. */
export const NetworkUpdateBody = Type.Object({
  ...egressFields,
  allow_internet_access: Type.Optional(Type.Boolean()),
});
export type NetworkUpdateBody = Static<typeof NetworkUpdateBody>;

/** `network` of an answer: what was asked for, as it is in force. */
export const NetworkView = Type.Object({
  allowOut: Type.Optional(Type.Array(Type.String())),
  denyOut: Type.Optional(Type.Array(Type.String())),
  dnsServers: Type.Optional(Type.Array(Type.String())),
  dns: Type.Optional(DnsBody),
  ports: Type.Optional(Type.Array(PortRuleBody)),
  allowPublicTraffic: Type.Optional(nullable<boolean>({ type: 'boolean' })),
  maskRequestHost: Type.Optional(Type.String()),
  httpsPorts: Type.Optional(Type.Array(Type.Integer())),
  rules: Type.Optional(StringMap),
});
export type NetworkView = Static<typeof NetworkView>;
