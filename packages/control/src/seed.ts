import { newAccessToken, newApiKey } from '@atoll/contract';
import { hashKey, keyRecord } from './auth/secrets.ts';
import type { Store } from './store/store.ts';

/** The first credentials of an installation. The store holds only their hashes: whoever gets this must keep it. */
export interface Seed {
  readonly teamId: string;
  readonly apiKey: string;
  readonly accessToken: string;
}

const API_KEY_SETTING = 'seeded_api_key_hash';
const ACCESS_TOKEN_SETTING = 'seeded_access_token_hash';

/**
 * Makes sure that the first team, key and token are there. Given ones are taken, missing ones are generated. A given
 * one that was seeded before and deleted since stays deleted: it was deleted for a reason.
 */
export async function seedStore(store: Store, given: { apiKey?: string; accessToken?: string }): Promise<Seed> {
  const { team, user } = await store.teams.ensureFirst();
  const apiKey = given.apiKey ?? newApiKey();
  const accessToken = given.accessToken ?? newAccessToken();
  await once(store, API_KEY_SETTING, hashKey(apiKey), () =>
    store.keys.addApiKey(team.teamId, 'First key', keyRecord(apiKey), user),
  );
  await once(store, ACCESS_TOKEN_SETTING, hashKey(accessToken), () =>
    store.keys.addAccessToken(user.userId, 'First token', keyRecord(accessToken)),
  );
  return { teamId: team.teamId, apiKey, accessToken };
}

async function once(store: Store, setting: string, hash: string, add: () => Promise<unknown>): Promise<void> {
  if ((await store.settings.get(setting)) === hash) return;
  await add();
  await store.settings.set(setting, hash);
}
