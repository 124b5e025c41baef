import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { renderRefusal } from './answer.ts';
import type { RequestHead } from './exchange.ts';
import { openRequest } from './forward.ts';
import { admit, explainNoAnswer, type GatewayContext, poolKind } from './gateway.ts';
import { guestHeaders } from './guest-request.ts';
import { endToEndFields, fieldValue, type HeaderFields } from './header-fields.ts';
import { hasBody } from './http1-exchange.ts';
import { malformedRequest, type Refusal } from './refusal.ts';

/**
 * Which requests to switch protocols are passed on. HTTP/2 by upgrade is not: its requests would run past every check
 * of the edge. Such a request is served as if it had not asked, which the RFC allows (RFC 9110, 7.8).
 */
export function wantsTunnel(request: IncomingMessage): boolean {
  const protocols = fieldValue(request.rawHeaders, 'upgrade')?.toLowerCase() ?? '';
  return protocols !== '' && !/\bh2c?\b|http/.test(protocols) && !hasBody(request.rawHeaders);
}

/**
 * Passes a request to switch protocols (WebSocket) on. Only after the sandbox's own `101` do the two connections become
 * one; any other answer goes back and ends the connection, so that nothing unchecked can follow it.
 */
export function openTunnel(head: RequestHead | Refusal, client: Duplex, early: Buffer, context: GatewayContext): void {
  client.on('error', () => client.destroy());
  const answerRefusal = (refusal: Refusal, request: RequestHead): void => {
    const { status, headers, body } = renderRefusal(refusal, request);
    client.end(headText(status, '', [...headers, 'Connection', 'close']) + body);
  };
  if ('form' in head) {
    answerRefusal(head, { method: 'GET', target: '/', host: '', headers: [], encrypted: false });
    return;
  }
  const admission = admit(head, context);
  if (admission === 'api') {
    answerRefusal(malformedRequest('the API serves no upgrades'), head);
    return;
  }
  if ('form' in admission) {
    answerRefusal(admission, head);
    return;
  }
  const { address, route, life } = admission;
  const upgrade = fieldValue(head.headers, 'upgrade') ?? '';
  const headers = guestHeaders({ ...head, body: undefined, awaitsContinue: false }, address, route);
  const upstream = openRequest(head, {
    agent: life.pool({ ...poolKind(head.method, admission), reuse: false }),
    address: route.address,
    port: address.port,
    headers: [...headers, 'Connection', 'Upgrade', 'Upgrade', upgrade],
    maxHeaderBytes: context.limits.headerBytes,
  });
  const leave = life.enter(() => {
    upstream.destroy();
    client.destroy();
  });
  client.once('close', () => {
    leave();
    upstream.destroy();
  });

  upstream.on('upgrade', (response, guest, guestEarly) => {
    guest.on('error', () => client.destroy());
    guest.once('close', () => client.destroy());
    client.once('close', () => guest.destroy());
    const fields = [...endToEndFields(response.rawHeaders), 'Connection', 'Upgrade'];
    client.write(
      headText(101, response.statusMessage ?? '', [...fields, 'Upgrade', response.headers.upgrade ?? upgrade]),
      'latin1',
    );
    if (guestEarly.length > 0) client.write(guestEarly);
    if (early.length > 0) guest.write(early);
    client.pipe(guest);
    guest.pipe(client);
  });
  upstream.on('response', (response) => {
    const fields = [...endToEndFields(response.rawHeaders), 'Connection', 'close'];
    client.write(headText(response.statusCode ?? 502, response.statusMessage ?? '', fields), 'latin1');
    response.on('error', () => client.destroy());
    response.pipe(client);
  });
  upstream.on('error', (error) => {
    if (client.writable && !client.destroyed && !answered())
      answerRefusal(explainNoAnswer(error, admission, context.logger), head);
    else client.destroy();
  });
  let hasAnswer = false;
  upstream.once('upgrade', () => {
    hasAnswer = true;
  });
  upstream.once('response', () => {
    hasAnswer = true;
  });
  const answered = (): boolean => hasAnswer;
  upstream.end();
}

function headText(status: number, reason: string, fields: HeaderFields): string {
  let text = `HTTP/1.1 ${status} ${reason === '' ? (STATUS_CODES[status] ?? '') : reason}\r\n`;
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return `${text}\r\n`;
}
