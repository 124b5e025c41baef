import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AtollError } from '@atoll/contract';
import type { Access } from '@atoll/contract/rest';
import type { Store } from '../store/store.ts';
import type { Team, User } from '../store/team-store.ts';
import { hashKey } from './secrets.ts';

/** Who asks. `team` is set wherever the operation's access speaks of a team, `user` where it speaks of a user. */
export interface Principal {
  readonly team?: Team;
  readonly user?: User;
  readonly admin: boolean;
}

/** A deleted key may be taken this much longer by other processes; in the one that deleted it, it ends at once. */
const CACHE_MS = 10_000;
const MAX_CACHED = 10_000;
/** `lastUsed` is for people: one write a minute is enough. */
const TOUCH_EVERY_MS = 60_000;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

interface KnownCredential {
  readonly team?: Team;
  readonly user?: User;
  readonly until: number;
}

/** Finds out who asks, from whichever of a request's credentials is valid. */
export class Authenticator {
  readonly #store: Store;
  readonly #adminTokenHash: Buffer | undefined;
  readonly #known = new Map<string, KnownCredential>();
  readonly #touched = new Map<string, number>();

  constructor(store: Store, adminToken: string | undefined) {
    this.#store = store;
    this.#adminTokenHash = adminToken ? Buffer.from(hashKey(adminToken)) : undefined;
  }

  /** Throws `unauthorized` or `forbidden`. */
  async authenticate(access: Access, headers: IncomingHttpHeaders): Promise<Principal> {
    if (access === 'none') return { admin: false };
    const teamId = text(headers['x-team-id']);
    if (this.#isAdmin(text(headers['x-admin-token']))) {
      if (access === 'admin') return { admin: true };
      if (teamId !== undefined && access !== 'user') return { admin: true, team: await this.#team(teamId) };
    }
    if (access === 'admin') throw new AtollError('unauthorized', 'This needs a valid X-Admin-Token.');

    const apiKey = text(headers['x-api-key']);
    if (access === 'team' && apiKey !== undefined) {
      const found = await this.#byApiKey(apiKey);
      if (found?.team) return { admin: false, team: open(found.team) };
    }
    const bearer = bearerToken(text(headers.authorization));
    const found = bearer === undefined ? undefined : await this.#byAccessToken(bearer);
    if (found?.user) {
      if (access === 'user') return { admin: false, user: found.user };
      return { admin: false, user: found.user, team: open(await this.#teamOf(found.user, teamId)) };
    }
    throw refusal(access, apiKey, bearer);
  }

  /** Forgets what is cached of credentials, after one was removed or a team was changed. */
  forget(): void {
    this.#known.clear();
  }

  #isAdmin(token: string | undefined): boolean {
    if (token === undefined || this.#adminTokenHash === undefined) return false;
    return timingSafeEqual(Buffer.from(hashKey(token)), this.#adminTokenHash);
  }

  async #byApiKey(key: string): Promise<KnownCredential | undefined> {
    return this.#cached(`key:${hashKey(key)}`, async (hash) => {
      const entry = await this.#store.keys.findApiKey(hash);
      if (entry === undefined) return undefined;
      await this.#touch(entry.keyId);
      const team = await this.#store.teams.get(entry.teamId);
      return team && { team };
    });
  }

  async #byAccessToken(token: string): Promise<KnownCredential | undefined> {
    return this.#cached(`token:${hashKey(token)}`, async (hash) => {
      const entry = await this.#store.keys.findAccessToken(hash);
      return entry && { user: entry.user };
    });
  }

  async #cached(
    name: string,
    find: (hash: string) => Promise<{ team?: Team; user?: User } | undefined>,
  ): Promise<KnownCredential | undefined> {
    const now = Date.now();
    const known = this.#known.get(name);
    if (known !== undefined && known.until > now) return known;
    this.#known.delete(name);
    const found = await find(name.slice(name.indexOf(':') + 1));
    if (found === undefined) return undefined;
    if (this.#known.size >= MAX_CACHED) this.#known.clear();
    const entry = { ...found, until: now + CACHE_MS };
    this.#known.set(name, entry);
    return entry;
  }

  async #touch(keyId: string): Promise<void> {
    const now = Date.now();
    if (now - (this.#touched.get(keyId) ?? 0) < TOUCH_EVERY_MS) return;
    if (this.#touched.size >= MAX_CACHED) this.#touched.clear();
    this.#touched.set(keyId, now);
    await this.#store.keys.touchApiKey(keyId, now);
  }

  async #team(teamId: string): Promise<Team> {
    const team = UUID.test(teamId) ? await this.#store.teams.get(teamId.toLowerCase()) : undefined;
    if (team === undefined) throw new AtollError('not_found', `There is no team ${JSON.stringify(teamId)}.`);
    return team;
  }

  /** The named team where the user is a member of it; without a name the user's default team. */
  async #teamOf(user: User, teamId: string | undefined): Promise<Team> {
    const teams = await this.#store.teams.ofUser(user.userId);
    const team = teamId === undefined ? teams[0] : teams.find((one) => one.teamId === teamId.toLowerCase());
    if (team !== undefined) return team;
    throw teamId === undefined
      ? new AtollError('forbidden', 'The user of this access token belongs to no team.')
      : new AtollError('forbidden', `The user of this access token is not in team ${JSON.stringify(teamId)}.`);
  }
}

function open(team: Team): Team {
  if (team.blockedReason === undefined) return team;
  throw new AtollError('forbidden', `The team is blocked: ${team.blockedReason}`);
}

/** A header's text; an empty one counts as absent. */
function text(value: string | string[] | undefined): string | undefined {
  const one = Array.isArray(value) ? value[0] : value;
  return one === undefined || one === '' ? undefined : one;
}

function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
}

function refusal(access: Access, apiKey: string | undefined, bearer: string | undefined): AtollError {
  if (bearer?.split('.').length === 3) {
    return new AtollError(
      'unauthorized',
      'This server takes no login tokens (JWT). Use an access token that begins with sk_e2b_, or an API key.',
    );
  }
  const wanted =
    access === 'team'
      ? 'an API key in X-API-Key, or an access token in Authorization: Bearer'
      : 'an access token in Authorization: Bearer';
  const given = (access === 'team' && apiKey !== undefined) || bearer !== undefined;
  return new AtollError(
    'unauthorized',
    given
      ? `Invalid API key or token: it is unknown here, or was deleted. This needs ${wanted}.`
      : `No credential was sent. This needs ${wanted}; \`atoll status\` prints both.`,
  );
}
