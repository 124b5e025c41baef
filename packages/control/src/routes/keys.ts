import { AtollError, newAccessToken, newApiKey } from '@atoll/contract';
import { type ApiKey, keyOperations } from '@atoll/contract/rest';
import type { Authenticator } from '../auth/authenticate.ts';
import { keyRecord } from '../auth/secrets.ts';
import type { Answered, Binder } from '../http/bind.ts';
import type { ApiKeyEntry } from '../store/key-store.ts';
import type { Store } from '../store/store.ts';
import type { User } from '../store/team-store.ts';

const DONE: Answered = { status: 204 };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** API keys of a team, access tokens of a user. */
export function bindKeys(binder: Binder, store: Store, authenticator: Authenticator): void {
  const operations = keyOperations;

  const createKey = async (teamId: string, name: string, user?: User): Promise<Answered> => {
    const key = newApiKey();
    const entry = await store.keys.addApiKey(teamId, name, keyRecord(key), user);
    return { status: 201, body: { ...showKey(entry), key } };
  };
  const removeKey = async (teamId: string, keyId: string): Promise<Answered> => {
    if (!UUID.test(keyId) || !(await store.keys.removeApiKey(teamId, keyId.toLowerCase()))) throw noKey(keyId);
    authenticator.forget();
    return DONE;
  };

  binder.bind(operations.list, async ({ team }) => {
    const entries = await store.keys.listApiKeys(team.teamId);
    return { status: 200, body: entries.map(showKey) };
  });
  binder.bind(operations.create, async ({ team, principal, body }) => {
    if (principal.user === undefined) {
      throw new AtollError(
        'unauthorized',
        'Making a key needs a user. Operators use POST /admin/teams/{teamID}/api-keys.',
      );
    }
    return createKey(team.teamId, body.name, principal.user);
  });
  binder.bind(operations.rename, async ({ team, params, body }) => {
    const entry = UUID.test(params.apiKeyID)
      ? await store.keys.renameApiKey(team.teamId, params.apiKeyID.toLowerCase(), body.name)
      : undefined;
    if (entry === undefined) throw noKey(params.apiKeyID);
    return { status: 200, body: showKey(entry) };
  });
  binder.bind(operations.remove, async ({ team, params }) => removeKey(team.teamId, params.apiKeyID));

  binder.bind(operations.adminCreate, async ({ params, body }) => {
    const team = UUID.test(params.teamID) ? await store.teams.get(params.teamID.toLowerCase()) : undefined;
    if (team === undefined) throw noTeam(params.teamID);
    return createKey(team.teamId, body.name ?? 'Made by an operator');
  });
  binder.bind(operations.adminRemove, async ({ params }) => removeKey(params.teamID.toLowerCase(), params.apiKeyID));

  binder.bind(operations.createToken, async ({ user, body }) => {
    const token = newAccessToken();
    const entry = await store.keys.addAccessToken(user.userId, body.name, keyRecord(token));
    return {
      status: 201,
      body: {
        id: entry.tokenId,
        name: entry.name,
        token,
        mask: entry.mask,
        createdAt: new Date(entry.createdAt).toISOString(),
      },
    };
  });
  binder.bind(operations.removeToken, async ({ user, params }) => {
    const tokenId = params.accessTokenID;
    if (!UUID.test(tokenId) || !(await store.keys.removeAccessToken(user.userId, tokenId.toLowerCase()))) {
      throw new AtollError('not_found', `There is no access token ${JSON.stringify(tokenId.slice(0, 64))} of yours.`);
    }
    authenticator.forget();
    return DONE;
  });
}

function showKey(entry: ApiKeyEntry): ApiKey {
  return {
    id: entry.keyId,
    name: entry.name,
    mask: entry.mask,
    createdAt: new Date(entry.createdAt).toISOString(),
    createdBy: entry.createdBy ? { id: entry.createdBy.userId, email: entry.createdBy.email } : null,
    lastUsed: entry.lastUsedAt === undefined ? null : new Date(entry.lastUsedAt).toISOString(),
  };
}

function noKey(keyId: string): AtollError {
  return new AtollError('not_found', `The team has no API key ${JSON.stringify(keyId.slice(0, 64))}.`);
}

function noTeam(teamId: string): AtollError {
  return new AtollError('not_found', `There is no team ${JSON.stringify(teamId.slice(0, 64))}.`);
}
