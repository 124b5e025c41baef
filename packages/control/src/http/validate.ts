import { AtollError } from '@atoll/contract';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { TLocalizedValidationError } from 'typebox/error';

const MAX_REPORTED_FIELDS = 5;

interface SchemaShape {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaShape>>;
  readonly required?: readonly string[];
  readonly items?: SchemaShape;
  readonly anyOf?: readonly SchemaShape[];
}

/**
 * Makes the check of a body by the wire's rules: unknown fields are ignored, null of an optional field counts as
 * omitted, and types are taken strictly. `undefined` (an empty body) is taken as `{}`.
 */
export function bodyValidator(schema: TSchema): (body: unknown) => unknown {
  const check = Compile(schema);
  const shape = schema as SchemaShape;
  return (body) => {
    const given = withoutNulls(shape, body ?? {});
    if (!check.Check(given)) throw new AtollError('invalid_request', explain(check.Errors(given)));
    return given;
  };
}

function withoutNulls(schema: SchemaShape, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = schema.items;
    return items === undefined ? value : value.map((item) => withoutNulls(items, item));
  }
  const shape = schema.properties ? schema : schema.anyOf?.find((one) => one.properties);
  const properties = shape?.properties;
  if (properties === undefined) return value;
  const kept: [string, unknown][] = [];
  for (const [name, member] of Object.entries(value)) {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (property === undefined) continue;
    if (member === null && !shape?.required?.includes(name)) continue;
    kept.push([name, withoutNulls(property, member)]);
  }
  return Object.fromEntries(kept);
}

/** The text of a refused body: begins with "validation error" and names each field. */
export function explain(errors: readonly TLocalizedValidationError[]): string {
  const byField = new Map<string, string[]>();
  for (const error of errors) {
    if (error.keyword === 'anyOf' || error.keyword === 'oneOf') continue;
    for (const [field, text] of describe(error)) {
      const texts = byField.get(field) ?? [];
      if (!texts.includes(text)) texts.push(text);
      byField.set(field, texts);
    }
  }
  const fields = [...byField.keys()];
  // A value that fits no alternative is reported for each; only the alternative that fits best is of use.
  const deepest = fields.filter((field) => field === '' || !fields.some((other) => other.startsWith(`${field}.`)));
  const lines = deepest
    .slice(0, MAX_REPORTED_FIELDS)
    .map((field) => `${field === '' ? 'the body' : field} ${byField.get(field)?.join(' or ')}`);
  return `validation error: ${lines.join('; ')}`;
}

function describe(error: TLocalizedValidationError): [string, string][] {
  const field = fieldName(error.instancePath);
  if (error.keyword === 'required') {
    return error.params.requiredProperties.map((name) => [field === '' ? name : `${field}.${name}`, 'is required']);
  }
  if (error.keyword === 'enum') {
    return [[field, `must be one of ${error.params.allowedValues.map((one) => JSON.stringify(one)).join(', ')}`]];
  }
  return [[field, error.message]];
}

/** `/network/ports/0/port` as `network.ports.0.port`. */
function fieldName(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.');
}
