/** A place where Atoll deliberately does something else than upstream, or more. Written by hand; told to users. */
export interface Difference {
  readonly what: string;
  readonly atoll: string;
  readonly why: string;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    what: '`domain` in answers to create and connect',
    atoll: 'The configured base domain, or `null` when there is none; never `<id>.<domain>`.',
    why: 'The clients put `<port>-<id>.` in front of it themselves.',
  },
  {
    what: 'A request on the two-URL form without routing headers',
    atoll: 'Found by its `X-Access-Token`, which is unique per sandbox; a signed URL is found by its signature.',
    why: 'JavaScript clients before March 2026 and signed URLs carry no sandbox id there.',
  },
  {
    what: '`https://<id>.<domain>`, without a port',
    atoll: 'Routes to envd (49983).',
    why: 'The API guide’s curl lines use it.',
  },
  {
    what: '`timeout: 0` on create',
    atoll: 'Refused with 400.',
    why: 'A sandbox that has ended before it began helps nobody.',
  },
  {
    what: 'Limits',
    atoll: 'Settings of the server, no plan tiers. A life of at most 24 hours by default.',
    why: 'It is your machine.',
  },
  {
    what: '`Should-Retry`',
    atoll: 'Every error carries it: `true` only where nothing was changed and a repeat can succeed.',
    why: 'Newer Python clients repeat failed creates unless they are told not to.',
  },
  {
    what: '`Idempotency-Key`',
    atoll: 'Honoured on both create routes for 24 hours; the same key with another body is refused with 422.',
    why: 'Upstream’s meaning of the three codes is not public; this one cannot make a sandbox twice.',
  },
  {
    what: '`network.dnsServers`',
    atoll: 'Opens the firewall to those resolvers, as upstream; `network.dns` makes them the sandbox’s resolvers.',
    why: 'Two fields with two meanings are kept apart.',
  },
  {
    what: 'Operations of later releases (pause, snapshots, forks, template builds, volumes, secrets, domain rules)',
    atoll: 'Answered 501 with the code `not_implemented` and the name of what is missing.',
    why: 'A field that is accepted and ignored is worse than one that is refused.',
  },
  {
    what: 'Egress',
    atoll:
      'Private ranges, the host, link-local and metadata addresses and other sandboxes are denied, also to `allowOut`, unless a setting opens a range.',
    why: 'A sandbox must not reach what the host can reach only because it is on the inside.',
  },
  {
    what: 'gRPC and gRPC-Web to envd',
    atoll: 'Answered 415; the Connect protocol, JSON and binary, is served.',
    why: 'No official client uses them.',
  },
  {
    what: 'Credentials on a sandbox’s own ports',
    atoll:
      'The traffic token is never passed on. `X-Access-Token` is dropped when it is this sandbox’s and the port is neither 49983 nor 49999; API keys of our form and access tokens are dropped always.',
    why: 'Clients send them along to every port; a program in the sandbox has no business with them.',
  },
  {
    what: 'Error pages of the proxy',
    atoll: 'Carry CORS fields and `Should-Retry`; a 400 has a second line with advice.',
    why: 'A page in a browser can read why a sandbox does not answer.',
  },
  {
    what: '`/tmp` in a sandbox',
    atoll: 'On the sandbox’s disk, not in memory.',
    why: 'The disk limit holds for it, and it takes no memory.',
  },
  {
    what: 'Number of processors that a program sees',
    atoll: 'At least 2, also with `cpuCount: 1`; the CPU time it gets is exact.',
    why: 'gVisor shows no fewer.',
  },
  {
    what: 'Compressed downloads',
    atoll: 'A file over 64 KiB is compressed only when a sample of it shrinks by a tenth.',
    why: 'Compressing what does not shrink costs most of the speed.',
  },
];
