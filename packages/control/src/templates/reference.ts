import { AtollError } from '@atoll/contract';

/** A template as callers name it: `[namespace/]alias[:tag]`, or a template id in the place of the alias. */
export interface TemplateReference {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly tag: string;
  readonly tagGiven: boolean;
}

export const DEFAULT_TAG = 'default';

const NAME = /^[a-z0-9_-]+$/;
const TAG = /^[a-z0-9_.-]+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Reads a reference, trimmed and lower-cased. Throws `invalid_request` for what cannot be one. */
export function parseTemplateReference(text: string): TemplateReference {
  const [path = '', tag, ...moreTags] = text.trim().toLowerCase().split(':');
  const parts = path.split('/');
  const name = parts.at(-1) ?? '';
  const namespace = parts.length === 2 ? parts[0] : undefined;
  const valid =
    moreTags.length === 0 &&
    parts.length <= 2 &&
    NAME.test(name) &&
    (namespace === undefined || NAME.test(namespace)) &&
    (tag === undefined || (TAG.test(tag) && !UUID.test(tag)));
  if (!valid) {
    throw new AtollError(
      'invalid_request',
      `validation error: ${JSON.stringify(text.slice(0, 256))} is not a template: use [namespace/]alias[:tag] or a template id`,
    );
  }
  return { namespace, name, tag: tag ?? DEFAULT_TAG, tagGiven: tag !== undefined };
}

/** The reference without its tag, as it is written. */
export function templateName(reference: TemplateReference): string {
  return reference.namespace === undefined ? reference.name : `${reference.namespace}/${reference.name}`;
}
