import { ENVD_VERSION } from '@atoll/contract';
import { accessTokenOf, equalSecrets } from '../access.ts';
import { EnvdError } from '../errors.ts';
import type { LogRing } from '../logs.ts';
import { readBounded } from '../request-body.ts';
import type { Settings } from '../settings.ts';
import { type InitRequest, parseInit } from './init-request.ts';
import { mixRandomSeed, setClock } from './kernel-state.ts';
import { installCertificates, nameHost, setHostsEntry, writeIdentityFiles } from './system-files.ts';

/** Largest body taken, in bytes: a bundle of certificates is the biggest field. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** POST /init: tells the sandbox who it is now. Answers 204. */
export async function init(request: Request, settings: Settings, logs: LogRing): Promise<Response> {
  const asked = parseInit(await readBounded(request, MAX_BODY_BYTES));
  authorize(request, asked, settings);
  // A repeated or late request must not undo a newer one.
  if (asked.timestamp === undefined || asked.timestamp > settings.lastInitAt) {
    settings.lastInitAt = asked.timestamp ?? settings.lastInitAt;
    apply(asked, settings, logs);
  }
  return new Response(null, { status: 204, headers: { 'x-envd-version': ENVD_VERSION, 'cache-control': 'no-store' } });
}

function authorize(request: Request, asked: InitRequest, settings: Settings): void {
  if (settings.accessToken === undefined) return;
  const given = [asked.accessToken, accessTokenOf(request)];
  if (!given.some((token) => token !== undefined && equalSecrets(token, settings.accessToken ?? ''))) {
    throw new EnvdError('unauthenticated', 'access token validation failed: it does not match the present one');
  }
}

function apply(asked: InitRequest, settings: Settings, logs: LogRing): void {
  settings.accessToken = asked.accessToken;
  if (asked.envVars !== undefined) settings.envVars = asked.envVars;
  settings.defaultUser = asked.defaultUser ?? settings.defaultUser;
  settings.defaultWorkdir = asked.defaultWorkdir ?? settings.defaultWorkdir;
  settings.lifecycleId = asked.lifecycleId ?? settings.lifecycleId;
  settings.identityEnv = {
    ...settings.identityEnv,
    ...(asked.sandboxId === undefined ? {} : { E2B_SANDBOX_ID: asked.sandboxId }),
    ...(asked.templateId === undefined ? {} : { E2B_TEMPLATE_ID: asked.templateId }),
    ...(asked.hyperloopIp === undefined ? {} : { E2B_EVENTS_ADDRESS: `http://${asked.hyperloopIp}` }),
  };

  // Each on its own: a guest with a read-only or strange /etc is still a sandbox.
  const steps: readonly (readonly [name: string, act: () => void])[] = [
    ['set the clock', () => asked.timestamp !== undefined && setClock(asked.timestamp)],
    ['mix the random seed', () => asked.randomSeed !== undefined && mixRandomSeed(asked.randomSeed)],
    ['name the host', () => asked.hostname !== undefined && nameHost(asked.hostname)],
    ['write the identity files', () => writeIdentityFiles(settings.identityEnv)],
    [
      'write the events host',
      () => asked.hyperloopIp !== undefined && setHostsEntry(asked.hyperloopIp, 'events.e2b.local'),
    ],
    ['install certificates', () => asked.caBundle !== undefined && installCertificates(asked.caBundle)],
  ];
  for (const [name, act] of steps) {
    try {
      act();
    } catch (error) {
      logs.add('warn', 'init', `Could not ${name}`, { error: String(error) });
    }
  }
}
