import assert from 'node:assert/strict';
import { RouteRegistry } from '@atoll/bus';
import { allOperations } from '@atoll/contract/rest';
import { pino } from 'pino';
import { Compile } from 'typebox/compile';
import { type Control, type ControlOptions, openControl } from '../control.ts';
import { openStore, type Store } from '../store/store.ts';
import { RecordingNode } from './recording-node.ts';

export const ADMIN_TOKEN = 'operator-secret';

/** An answer as the tests look at it. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
}

export interface TestControl {
  readonly control: Control;
  readonly store: Store;
  readonly node: RecordingNode;
  readonly routes: RouteRegistry;
  /** Asks with the first API key; `headers` replace or, with an empty text, remove. Answers are checked by schema. */
  ask(line: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Makes a sandbox from `base` and returns its id. */
  create(body?: object): Promise<string>;
  /** Closes control and opens it again on the same store and node. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A control on a real port, with a store of its own and a {@link RecordingNode}. */
export async function openTestControl(
  options: Partial<ControlOptions> & { storeUrl?: string } = {},
): Promise<TestControl> {
  const logger = pino({ level: process.env.ATOLL_TEST_LOG ?? 'silent' });
  const store = options.store ?? (await openStore({ url: options.storeUrl ?? 'sqlite::memory:', logger }));
  const node = new RecordingNode();
  const routes = new RouteRegistry();
  const open = (seed: { seedApiKey?: string; seedAccessToken?: string } = {}) =>
    openControl({
      store,
      node,
      routes,
      host: '127.0.0.1',
      port: 0,
      sandboxUrl: 'http://127.0.0.1:3002',
      adminToken: ADMIN_TOKEN,
      version: '0.0.0-test',
      logger,
      ...seed,
      ...options,
    });
  let control = await open();

  const ask: TestControl['ask'] = async (line, body, headers = {}) => {
    const [method = '', path = ''] = line.split(' ');
    const sent = new Headers({ 'X-API-Key': control.seed.apiKey });
    if (body !== undefined) sent.set('Content-Type', 'application/json');
    for (const [name, value] of Object.entries(headers)) {
      if (value === '') sent.delete(name);
      else sent.set(name, value);
    }
    const response = await fetch(control.url + path, {
      method,
      headers: sent,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    const answer = {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson && text !== '' ? JSON.parse(text) : undefined,
    };
    checkAnswer(method, path, answer);
    return answer;
  };

  return {
    get control() {
      return control;
    },
    store,
    node,
    routes,
    ask,
    create: async (body = {}) => {
      const answer = await ask('POST /v2/sandboxes', { templateID: 'base', ...body });
      assert.equal(answer.status, 201, answer.text);
      return answer.json.sandboxID;
    },
    restart: async () => {
      const { apiKey, accessToken } = control.seed;
      await control.close();
      control = await open({ seedApiKey: apiKey, seedAccessToken: accessToken });
    },
    close: async () => {
      await control.close();
      await store.close();
    },
  };
}

const checks = allOperations.flatMap((operation) =>
  Object.entries(operation.answers).map(([status, { schema }]) => ({
    method: operation.method.toUpperCase(),
    path: new RegExp(`^(/v1)?${operation.path.replace(/\{\w+\}/g, '[^/]+')}$`),
    isLiteral: !operation.path.includes('{'),
    status: Number(status),
    check: schema && Compile(schema),
  })),
);

/** Every answer a test sees must be what the document says: this is where the two are held together. */
function checkAnswer(method: string, path: string, answer: Answer): void {
  if (answer.status >= 400) {
    assert.ok(answer.json, `an error without a JSON body: ${answer.text}`);
    assert.deepEqual(Object.keys(answer.json).sort(), ['code', 'error_code', 'message']);
    assert.equal(answer.json.code, answer.status);
    assert.match(answer.headers.get('should-retry') ?? '', /^(true|false)$/);
    return;
  }
  const place = path.split('?', 1)[0] ?? '';
  const fitting = checks.filter((one) => one.method === method && one.path.test(place));
  const known = fitting.some((one) => one.isLiteral) ? fitting.filter((one) => one.isLiteral) : fitting;
  if (known.length === 0) return;
  const documented = known.find((one) => one.status === answer.status);
  assert.ok(documented, `${method} ${place} answered ${answer.status}, which is not documented`);
  if (documented.check === undefined) assert.equal(answer.text, '');
  else assert.ok(documented.check.Check(answer.json), JSON.stringify(documented.check.Errors(answer.json)));
}
