import { AtollError } from '@atoll/contract';
import { type Template, type TemplateBuild, templateOperations } from '@atoll/contract/rest';
import type { Binder } from '../http/bind.ts';
import type { Store } from '../store/store.ts';
import type { TemplateUsage } from '../store/template-usage-store.ts';
import type { CatalogueTemplate, TemplateCatalogue } from '../templates/catalogue.ts';
import { parseTemplateReference, templateName } from '../templates/reference.ts';

const DEFAULT_PAGE_SIZE = 100;

/** Looking at templates. All of them are the server's own, so that every team sees and uses all. */
export function bindTemplates(binder: Binder, templates: TemplateCatalogue, store: Store): void {
  const operations = templateOperations;
  const showAll = async (teamId: string) => {
    const usage = await store.templateUsage.ofTeam(teamId);
    return (await templates.list()).map((template) => showTemplate(template, usage.get(template.templateId)));
  };

  binder.bind(operations.list, async ({ team }) => ({ status: 200, body: await showAll(team.teamId) }));
  binder.bind(operations.listPaged, async ({ team, query }) =>
    paged(await showAll(team.teamId), query, (one) => one.templateID),
  );
  binder.bind(operations.listDefaults, async ({ team }) => ({ status: 200, body: await showAll(team.teamId) }));

  binder.bind(operations.alias, async ({ params }) => {
    const { templateId } = await find(templates, params.alias);
    return { status: 200, body: { templateID: templateId, public: true } };
  });

  binder.bind(operations.get, async ({ team, params, query }) => {
    const template = await find(templates, params.templateID);
    const usage = await store.templateUsage.ofTeam(team.teamId);
    const builds = paged(template.builds.map(showBuild), query, (build) => build.buildID);
    return { ...builds, body: { ...showTemplate(template, usage.get(template.templateId)), builds: builds.body } };
  });
}

async function find(templates: TemplateCatalogue, text: string): Promise<CatalogueTemplate> {
  const reference = parseTemplateReference(text);
  const template = await templates.find(reference);
  if (template !== undefined) return template;
  throw new AtollError('template_not_found', `template '${templateName(reference)}' not found`);
}

/** One page of a list that is short enough to be made whole; the token is the name of the last entry shown. */
function paged<Entry>(
  entries: readonly Entry[],
  query: { limit?: number; nextToken?: string },
  nameOf: (entry: Entry) => string,
): { status: number; body: Entry[]; headers: Record<string, string> } {
  let first = 0;
  if (query.nextToken !== undefined) {
    const last = Buffer.from(query.nextToken, 'base64url').toString('utf8');
    first = entries.findIndex((entry) => nameOf(entry) === last) + 1;
    if (first === 0) throw new AtollError('invalid_request', 'validation error: nextToken is not one of this list');
  }
  const body = entries.slice(first, first + (query.limit ?? DEFAULT_PAGE_SIZE));
  const last = body.at(-1);
  const more = last !== undefined && first + body.length < entries.length;
  return {
    status: 200,
    body,
    headers: more ? { 'x-next-token': Buffer.from(nameOf(last)).toString('base64url') } : {},
  };
}

function showTemplate(template: CatalogueTemplate, usage: TemplateUsage | undefined): Template {
  const { newest, builds } = template;
  const oldest = builds.at(-1) ?? newest;
  return {
    templateID: template.templateId,
    buildID: newest.buildId,
    cpuCount: newest.resources.cpuCount,
    memoryMB: newest.resources.memoryMiB,
    diskSizeMB: newest.resources.diskMiB,
    public: true,
    aliases: template.aliases.filter((alias) => !alias.includes('/')),
    names: [...template.aliases],
    createdAt: new Date(oldest.createdAt).toISOString(),
    updatedAt: new Date(newest.createdAt).toISOString(),
    createdBy: null,
    lastSpawnedAt: usage === undefined ? null : new Date(usage.lastSpawnedAt).toISOString(),
    spawnCount: usage?.spawnCount ?? 0,
    buildCount: builds.length,
    envdVersion: newest.envdVersion,
    buildStatus: 'ready',
    isDefault: true,
  };
}

function showBuild(build: CatalogueTemplate['newest']): TemplateBuild {
  const createdAt = new Date(build.createdAt).toISOString();
  return {
    buildID: build.buildId,
    status: 'ready',
    createdAt,
    updatedAt: createdAt,
    finishedAt: createdAt,
    cpuCount: build.resources.cpuCount,
    memoryMB: build.resources.memoryMiB,
    diskSizeMB: build.resources.diskMiB,
    envdVersion: build.envdVersion,
  };
}
