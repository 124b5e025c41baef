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
];
