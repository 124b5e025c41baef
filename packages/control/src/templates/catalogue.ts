import { AtollError, type BuildSummary, type NodeApi } from '@atoll/contract';
import type { Logger } from 'pino';
import type { TemplateUsageStore } from '../store/template-usage-store.ts';
import { DEFAULT_TAG, parseTemplateReference, type TemplateReference, templateName } from './reference.ts';

/** A template and its ready builds, newest first (at least one). */
export interface CatalogueTemplate {
  readonly templateId: string;
  /** Names without and with namespace, the first one is what answers call its alias. */
  readonly aliases: readonly string[];
  readonly newest: BuildSummary;
  readonly builds: readonly BuildSummary[];
}

/** The templates that the node can start: the built-in ones, usable by every team. */
export class TemplateCatalogue {
  readonly #node: NodeApi;
  readonly #usage: TemplateUsageStore;
  readonly #logger: Logger;

  constructor(node: NodeApi, usage: TemplateUsageStore, logger: Logger) {
    this.#node = node;
    this.#usage = usage;
    this.#logger = logger;
  }

  /** Counts a start. Nobody waits for it: a lost count harms nothing. */
  countUse(teamId: string, templateId: string, at: number): void {
    this.#usage.count(teamId, templateId, at).catch((error: unknown) => {
      this.#logger.warn({ err: error, templateId }, 'the use of a template was not counted');
    });
  }

  /** All of them, by id. */
  async list(): Promise<CatalogueTemplate[]> {
    const byTemplate = new Map<string, BuildSummary[]>();
    for (const build of await this.#node.builds()) {
      const builds = byTemplate.get(build.templateId);
      if (builds === undefined) byTemplate.set(build.templateId, [build]);
      else builds.push(build);
    }
    const templates: CatalogueTemplate[] = [];
    for (const [templateId, builds] of byTemplate) {
      builds.sort((one, other) => other.createdAt - one.createdAt);
      const newest = builds[0];
      if (newest !== undefined) templates.push({ templateId, aliases: newest.aliases, newest, builds });
    }
    return templates.sort((one, other) => (one.templateId < other.templateId ? -1 : 1));
  }

  /** The template a reference names, whatever its tag; undefined when there is none. */
  async find(reference: TemplateReference): Promise<CatalogueTemplate | undefined> {
    const wanted = templateName(reference);
    return (await this.list()).find(
      (template) =>
        template.aliases.includes(wanted) || (reference.namespace === undefined && template.templateId === wanted),
    );
  }

  /** The template and build to start a sandbox from. Throws `invalid_request` or `template_not_found`. */
  async resolve(text: string): Promise<{ template: CatalogueTemplate; build: BuildSummary }> {
    const reference = parseTemplateReference(text);
    const template = await this.find(reference);
    if (template === undefined) {
      throw new AtollError('template_not_found', `template '${templateName(reference)}' not found`);
    }
    if (reference.tag !== DEFAULT_TAG) {
      throw new AtollError(
        'template_not_found',
        `tag '${reference.tag}' does not exist for template '${templateName(reference)}'`,
      );
    }
    return { template, build: template.newest };
  }
}
