import type { AddressForm } from './address-form.ts';
import { CLIENTS, type Client } from './clients.ts';
import { DIFFERENCES } from './differences.ts';
import { KNOWN_FAILURES, type KnownFailure, knownFailure } from './known-failures.ts';
import { OPERATIONS } from './operations.ts';
import { ROUTES } from './routes.ts';
import type { Result, Status } from './run-client.ts';

/** How a run went, after the known failures were taken into account. */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly known: number;
  /** Known failures that pass now: the list must shrink. */
  readonly cured: readonly KnownFailure[];
}

/** Counts results. A known failure that no longer fails counts as failed until it is taken off the list. */
export function summarise(results: readonly Result[]): Summary {
  const failures = results.filter((result) => result.status === 'fail');
  const known = failures.filter((result) => knownFailure(result) !== undefined);
  const stillFailing = new Set(known.map(knownFailure));
  const judged = new Set(results.map(knownFailure));
  const cured = KNOWN_FAILURES.filter((entry) => judged.has(entry) && !stillFailing.has(entry));
  return {
    passed: results.filter((result) => result.status === 'pass').length,
    failed: failures.length - known.length + cured.length,
    known: known.length,
    cured,
  };
}

/** The column of a client's two forms together: failing where one fails, n.a. only where both are. */
function cell(results: readonly Result[], client: Client, operation: string): Status | undefined {
  const found = results.filter((result) => result.client === client.id && result.operation === operation);
  if (found.some((result) => result.status === 'fail')) return 'fail';
  if (found.some((result) => result.status === 'pass')) return 'pass';
  return found.length > 0 ? 'n.a.' : undefined;
}

const SIGNS: Readonly<Record<Status, string>> = { pass: 'ok', fail: 'FAIL', 'n.a.': '-' };

/** Failures with the same reason in the same run are told once. */
function failuresByReason(results: readonly Result[]): [{ label: string; where: string; reason: string }, string[]][] {
  const groups = new Map<string, [{ label: string; where: string; reason: string }, string[]]>();
  for (const result of results) {
    if (result.status !== 'fail') continue;
    const known = knownFailure(result);
    const label = known === undefined ? 'FAIL' : `known (${known.reason})`;
    const about = { label, where: `${result.client}, ${result.form}`, reason: result.reason ?? '' };
    const key = JSON.stringify(about);
    const group = groups.get(key) ?? [about, []];
    group[1].push(result.operation);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** The table for a terminal, the reasons of what failed, and the closing line. */
export function terminalReport(results: readonly Result[], clients: readonly Client[]): string {
  const width = Math.max(...OPERATIONS.map((operation) => operation.id.length));
  const heads = clients.map((client) => client.id);
  const lines = [['operation'.padEnd(width), ...heads].join('  ')];
  for (const operation of OPERATIONS) {
    const cells = clients.map((client, i) => {
      const status = cell(results, client, operation.id);
      return (status === undefined ? '' : SIGNS[status]).padEnd(heads[i]?.length ?? 0);
    });
    lines.push([operation.id.padEnd(width), ...cells].join('  ').trimEnd());
  }
  for (const [about, operations] of failuresByReason(results))
    lines.push('', `${about.label}: ${about.where}`, `  ${operations.join(', ')}`, `  ${about.reason}`);
  const summary = summarise(results);
  for (const entry of summary.cured)
    lines.push('', `No longer fails, take it off conformance/known-failures.ts: ${entry.client} ${entry.operation}`);
  const known = summary.known === 0 ? '' : `, ${summary.known} known failures`;
  lines.push('', `${summary.passed} passed, ${summary.failed} failed${known}`);
  return lines.join('\n');
}

const FORM_NAMES: Readonly<Record<AddressForm, string>> = { 'two-url': 'two URLs', domain: 'domain with TLS' };

/** client -> address form -> operation -> status, with the reason where there is one; times are left out. */
export function resultsByClient(results: readonly Result[]): Record<string, Record<string, Record<string, string>>> {
  const byClient: Record<string, Record<string, Record<string, string>>> = {};
  for (const { client, form, operation, status, reason } of results) {
    const byForm = byClient[client] ?? {};
    const text = reason === undefined ? status : `${status}: ${reason}`;
    byClient[client] = { ...byForm, [form]: { ...byForm[form], [operation]: text } };
  }
  return byClient;
}

/** docs/compatibility.md. */
export function compatibilityPage(results: readonly Result[], clients: readonly Client[] = CLIENTS): string {
  const groups = [...new Set(OPERATIONS.map((operation) => operation.group))];
  const letters = clients.map((_, i) => String.fromCharCode('A'.charCodeAt(0) + i));
  const operationRows = (group: string): string[] =>
    OPERATIONS.filter((operation) => operation.group === group).map((operation) => {
      const cells = clients.map((client) => {
        const status = cell(results, client, operation.id);
        return status === undefined ? '' : SIGNS[status];
      });
      return row(`\`${operation.id}\``, operation.title, operation.wire, ...cells);
    });
  return [
    '# Compatibility',
    '',
    '<!-- Written by `npm run conformance` from its results; differences are in conformance/differences.ts. -->',
    '',
    'What E2B clients can do with Atoll, as measured by running the official clients, unmodified, from their registries.',
    'Run it yourself: `npm run conformance`. An operation is `ok` when it passed in every address form the client has,',
    '`-` when the client has no such call, `FAIL` when it failed; empty means that the client’s driver does not try it.',
    '',
    '## Clients',
    '',
    row('', 'Client', 'Address forms'),
    row('---', '---', '---'),
    ...clients.map((client, i) =>
      row(letters[i] ?? '', client.name, client.forms.map((form) => FORM_NAMES[form]).join(', ')),
    ),
    '',
    '## Operations',
    '',
    'The name of each operation is the name of its test in `conformance/drivers/`.',
    ...groups.flatMap((group) => [
      '',
      `### ${group}`,
      '',
      row('Test', 'Proves', 'Wire', ...letters),
      row(...Array.from({ length: 3 + letters.length }, () => '---')),
      ...operationRows(group),
    ]),
    '',
    '## Routes of the control API',
    '',
    row('Route', 'Status', 'Proved by'),
    row('---', '---', '---'),
    ...ROUTES.map((route) => row(`\`${route.method} ${route.path}\``, route.status, route.proof)),
    '',
    '## Deliberate differences',
    '',
    row('What', 'Atoll', 'Why'),
    row('---', '---', '---'),
    ...DIFFERENCES.map((difference) => row(difference.what, difference.atoll, difference.why)),
    '',
    '## Known failures',
    '',
    ...(KNOWN_FAILURES.length === 0
      ? ['None.']
      : KNOWN_FAILURES.map((known) => `- ${known.client}, \`${known.operation}\`: ${known.reason}`)),
    '',
  ].join('\n');
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
}
