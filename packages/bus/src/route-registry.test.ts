import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SandboxRoute } from '@atoll/contract';
import { RouteRegistry } from './route-registry.ts';

function route(sandboxId: string, envdAccessToken?: string): SandboxRoute {
  const plain = {
    sandboxId,
    teamId: 'team',
    address: '127.0.0.1',
    lifecycleId: 'life',
    allowPublicTraffic: true,
    httpsPorts: [],
    ports: [],
  };
  return envdAccessToken === undefined ? plain : { ...plain, envdAccessToken };
}

test('a published route is found by its id and by its token, and no longer once withdrawn', () => {
  const routes = new RouteRegistry();
  routes.publish(route('ia', 'secret'));
  assert.equal(routes.get('ia')?.sandboxId, 'ia');
  assert.equal(routes.byEnvdAccessToken('secret')?.sandboxId, 'ia');
  routes.withdraw('ia');
  assert.equal(routes.get('ia'), undefined);
  assert.equal(routes.byEnvdAccessToken('secret'), undefined);
});

test('a token that a newer route of the sandbox replaced finds nothing', () => {
  const routes = new RouteRegistry();
  routes.publish(route('ia', 'first'));
  routes.publish(route('ia', 'second'));
  assert.equal(routes.byEnvdAccessToken('first'), undefined);
  assert.equal(routes.byEnvdAccessToken('second')?.sandboxId, 'ia');
});

test('listeners hear of each change, and nothing after they stopped', () => {
  const routes = new RouteRegistry();
  const heard: string[] = [];
  const stop = routes.onChange((id) => heard.push(id));
  routes.publish(route('ia'));
  routes.withdraw('ia');
  routes.withdraw('ia');
  stop();
  routes.publish(route('ib'));
  assert.deepEqual(heard, ['ia', 'ia']);
});
