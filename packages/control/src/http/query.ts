import { AtollError } from '@atoll/contract';
import type { TObject } from 'typebox';
import { Compile } from 'typebox/compile';
import { explain } from './validate.ts';

interface ParameterShape {
  readonly type?: string;
}

/**
 * Makes the reader of a query string: each parameter that the schema names is read as what the schema says it is,
 * all others are ignored. An empty parameter counts as omitted, a repeated one is refused unless it is a list.
 */
export function queryReader(schema: TObject): (query: URLSearchParams) => unknown {
  const check = Compile(schema);
  const shapes = Object.entries(schema.properties as Record<string, ParameterShape>);
  return (query) => {
    const read: Record<string, unknown> = {};
    for (const [name, shape] of shapes) {
      const value = readParameter(name, shape, query);
      if (value !== undefined) read[name] = value;
    }
    if (!check.Check(read)) {
      throw new AtollError('invalid_request', `${explain(check.Errors(read))} (in the query)`);
    }
    return read;
  };
}

function readParameter(name: string, shape: ParameterShape, query: URLSearchParams): unknown {
  if (shape.type === 'array') {
    // `state=a,b`, `state=a&state=b` and `state[]=a` are all in use.
    const given = [...query.getAll(name), ...query.getAll(`${name}[]`)].flatMap((one) => one.split(','));
    const parts = given.map((part) => part.trim()).filter((part) => part !== '');
    return parts.length > 0 ? parts : undefined;
  }
  const values = query.getAll(name);
  if (values.length > 1) throw new AtollError('invalid_request', `validation error: ${name} is given more than once`);
  const text = values[0];
  if (text === undefined || text === '') return undefined;
  if (shape.type === 'integer') {
    if (/^-?[0-9]{1,15}$/.test(text)) return Number(text);
    throw new AtollError('invalid_request', `validation error: ${name} must be integer (in the query)`);
  }
  return text;
}

/** Times beyond what a Date can hold are refused rather than turned into "Invalid Date". */
const MAX_TIME_MS = 8.64e15;

/**
 * Reads a point in time: digits are counted in `unit` since 1970, anything else must be RFC 3339 / ISO 8601.
 * Returns unix milliseconds.
 */
export function readTime(name: string, text: string, unit: 'seconds' | 'milliseconds'): number {
  const time = /^-?[0-9]+(\.[0-9]+)?$/.test(text)
    ? Number(text) * (unit === 'seconds' ? 1000 : 1)
    : /^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(text)
      ? Date.parse(text)
      : Number.NaN;
  if (Number.isNaN(time) || Math.abs(time) > MAX_TIME_MS) {
    throw new AtollError(
      'invalid_request',
      `validation error: ${name} must be a time: unix ${unit}, or ISO 8601 such as 2026-01-31T12:00:00Z`,
    );
  }
  return time;
}
