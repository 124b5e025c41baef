import type { ServerState } from './server-state.ts';

/** What a person reads when the server is ready: where it is, the key, and three ways to use it. */
export function banner(
  state: ServerState,
  tls: { readonly url: string; readonly authority: string | undefined } | undefined,
): string {
  const { apiUrl, sandboxUrl, apiKey } = state;
  return `
Atoll ${state.version} is ready (${state.runtime}).

  API           ${apiUrl}
  Sandboxes     ${sandboxUrl}${tls === undefined ? '' : `  and  ${tls.url}`}
  API key       ${apiKey}
  Access token  ${state.accessToken}

Tell any E2B client where to go:

  export E2B_API_URL=${apiUrl} E2B_SANDBOX_URL=${sandboxUrl} E2B_API_KEY=${apiKey}
${domainLines(state, tls)}
curl

  curl -X POST ${apiUrl}/sandboxes -H 'X-API-Key: ${apiKey}' \\
    -H 'Content-Type: application/json' -d '{"templateID": "base", "timeout": 60}'

JavaScript (npm install e2b)

  import { Sandbox } from 'e2b';
  const sandbox = await Sandbox.create();
  console.log((await sandbox.commands.run('echo Hello from $HOSTNAME')).stdout);
  await sandbox.kill();

Python (pip install e2b)

  from e2b import Sandbox
  sandbox = Sandbox.create()
  print(sandbox.commands.run('echo Hello from $HOSTNAME').stdout)
  sandbox.kill()

Next: ./atoll demo    Stop and clean up: ./atoll down
`;
}

function domainLines(state: ServerState, tls: { readonly authority: string | undefined } | undefined): string {
  if (state.domain === null || tls === undefined) return '';
  const trust =
    tls.authority === undefined ? '' : ` NODE_EXTRA_CA_CERTS=${tls.authority} SSL_CERT_FILE=${tls.authority}`;
  return `
or, where *.${state.domain} leads to this machine (in place of the two URLs):

  export E2B_DOMAIN=${state.domain} E2B_API_KEY=${state.apiKey}${trust}
`;
}
