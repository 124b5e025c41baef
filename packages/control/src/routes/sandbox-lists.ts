import { AtollError } from '@atoll/contract';
import { sandboxOperations } from '@atoll/contract/rest';
import type { Binder } from '../http/bind.ts';
import { readTime } from '../http/query.ts';
import type { SandboxContext } from '../sandboxes/context.ts';
import { pageToken, readMetadataFilter, readPageToken, readStates } from '../sandboxes/list-query.ts';
import { statesSeenAs } from '../sandboxes/states.ts';
import type { SandboxFilter } from '../store/sandbox-store.ts';
import type { TemplateCatalogue } from '../templates/catalogue.ts';
import { parseTemplateReference } from '../templates/reference.ts';

const DEFAULT_PAGE_SIZE = 100;
/** More than anybody's limit: the unpaged list is bounded all the same. */
const MAX_UNPAGED = 100_000;

/** Both lists of sandboxes. */
export function bindSandboxLists(binder: Binder, context: SandboxContext): void {
  const { store, views, templates } = context;

  binder.bind(sandboxOperations.listV1, async ({ team, query }) => {
    const records = await store.sandboxes.list(
      { teamId: team.teamId, states: statesSeenAs('running'), ...metadataFilter(query.metadata) },
      { order: 'desc', limit: MAX_UNPAGED },
    );
    return { status: 200, body: records.map((record) => views.listed(record)) };
  });

  binder.bind(sandboxOperations.list, async ({ team, query }) => {
    const { states, withRunning } = readStates(query.state);
    const order = query.order ?? 'desc';
    const limit = query.limit ?? DEFAULT_PAGE_SIZE;
    const after = query.nextToken === undefined ? undefined : readPageToken(query.nextToken, order);
    const filter: Omit<SandboxFilter, 'states'> = {
      teamId: team.teamId,
      ...metadataFilter(query.metadata),
      ...(query.startedAfter !== undefined && {
        startedAfter: readTime('startedAfter', query.startedAfter, 'seconds'),
      }),
      ...(query.template !== undefined && { templateId: await templateId(templates, query.template) }),
    };
    // One more than asked for tells whether there is a next page.
    const found = await store.sandboxes.list(
      { ...filter, states },
      { order, limit: limit + 1, ...(after !== undefined && { after }) },
    );
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const running = withRunning
      ? await store.sandboxes.count({ ...filter, states: statesSeenAs('running') })
      : undefined;
    return {
      status: 200,
      body: page.map((record) => views.listed(record)),
      headers: {
        ...(found.length > limit && last !== undefined && { 'x-next-token': pageToken(last, order) }),
        ...(running !== undefined && { 'x-total-running': String(running) }),
      },
    };
  });
}

function metadataFilter(text: string | undefined): { metadata?: Record<string, string> } {
  return text === undefined ? {} : { metadata: readMetadataFilter(text) };
}

/** The id of the template named; an unknown name is an id that no sandbox has. */
async function templateId(templates: TemplateCatalogue, text: string): Promise<string> {
  const reference = parseTemplateReference(text);
  if (reference.tagGiven) {
    throw new AtollError('invalid_request', 'validation error: template must be given without a tag');
  }
  return (await templates.find(reference))?.templateId ?? text.trim().toLowerCase();
}
