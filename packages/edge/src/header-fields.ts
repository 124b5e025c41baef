/**
 * Header fields as a flat list, name, value, name, value, in the order of the wire: what Node calls raw headers. It is
 * the only form that keeps order, case and repetition, and the cheapest to pass on.
 */
export type HeaderFields = readonly string[];

/** The values of one field, in order. `name` is lower-case. */
export function fieldValues(fields: HeaderFields, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const field = fields[i] as string;
    if (field.length === name.length && field.toLowerCase() === name) values.push(fields[i + 1] as string);
  }
  return values;
}

/** The first value of one field. `name` is lower-case. */
export function fieldValue(fields: HeaderFields, name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const field = fields[i] as string;
    if (field.length === name.length && field.toLowerCase() === name) return fields[i + 1];
  }
  return undefined;
}

/** Fields that concern one connection only and never travel through (RFC 9110, 7.6.1). Framing is set anew on each side. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Fields that a `Connection` field can not take away: without them a message changes its meaning or its owner. */
const NOT_NOMINABLE = new Set(['host', 'content-length', 'cookie', 'authorization', 'expect', 'trailer']);

/** Names that the message's `Connection` field declares to be for this connection only. */
export function connectionOptions(fields: HeaderFields): ReadonlySet<string> {
  const names = new Set<string>();
  for (const value of fieldValues(fields, 'connection')) {
    for (const part of value.split(',')) {
      const name = part.trim().toLowerCase();
      if (name !== '' && !NOT_NOMINABLE.has(name)) names.add(name);
    }
  }
  return names;
}

/** True when a field must not be passed on. `name` is lower-case. */
export function isHopByHop(name: string, options: ReadonlySet<string>): boolean {
  return HOP_BY_HOP.has(name) || (options.size > 0 && options.has(name));
}

/** The fields of a message without those of its connection. */
export function endToEndFields(fields: HeaderFields): string[] {
  const options = connectionOptions(fields);
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!isHopByHop(name.toLowerCase(), options)) kept.push(name, fields[i + 1] as string);
  }
  return kept;
}

/** Flat fields as the pairs that `addTrailers` takes. */
export function pairs(fields: HeaderFields): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) list.push([fields[i] as string, fields[i + 1] as string]);
  return list;
}
