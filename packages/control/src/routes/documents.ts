import { openApiDocument } from '@atoll/contract/rest';
import type { FastifyInstance } from 'fastify';
import { docsPage } from '../http/docs-page.ts';

/** The OpenAPI document, and a page that shows it. */
export function bindDocuments(server: FastifyInstance, version: string): void {
  const texts = new Map<string, { json: string; page: string }>();
  const textsFor = (url: string) => {
    const known = texts.get(url);
    if (known !== undefined) return known;
    const document = openApiDocument(version, url);
    const made = { json: JSON.stringify(document), page: docsPage(document) };
    // The Host header is the caller's to choose: one entry is enough, many would be theirs to fill.
    texts.clear();
    texts.set(url, made);
    return made;
  };
  const urlOf = (host: string | undefined) => (/^[a-z0-9.:[\]-]{1,255}$/i.test(host ?? '') ? `http://${host}` : '/');

  server.get('/openapi.json', async (request, reply) =>
    reply.type('application/json; charset=utf-8').send(textsFor(urlOf(request.headers.host)).json),
  );
  for (const path of ['/docs', '/openapi']) {
    server.get(path, async (request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
        .send(textsFor(urlOf(request.headers.host)).page),
    );
  }
}
