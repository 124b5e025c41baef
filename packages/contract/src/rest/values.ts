import Type from 'typebox';

/** A map of text to text. Written with `additionalProperties`, because a key pattern would let keys with newlines by. */
export const StringMap = Type.Unsafe<Record<string, string>>({
  type: 'object',
  additionalProperties: { type: 'string' },
});

/** A time in answers, RFC 3339 with zone. */
export const Timestamp = Type.String({ format: 'date-time' });

export const Uuid = Type.String({ format: 'uuid' });

/** A list of allowed texts, in the form every OpenAPI reader understands. */
export function OneOf<const Values extends readonly string[]>(values: Values, options: { description?: string } = {}) {
  return Type.Unsafe<Values[number]>({ type: 'string', enum: [...values], ...options });
}

/** A value that answers may hold explicitly as null. */
export function nullable<Value>(schema: object) {
  return Type.Unsafe<Value | null>({ anyOf: [schema, { type: 'null' }] });
}

/** A point in time in queries: unix seconds or ISO 8601. */
export const TimeQuery = Type.Optional(Type.String({ description: 'Unix seconds, or ISO 8601.' }));

/** The two parameters of every paged list. */
export const Paging = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 100 })),
  nextToken: Type.Optional(Type.String({ description: 'X-Next-Token of the page before.' })),
};

/** The body of every error. */
export const ErrorBody = Type.Object({
  code: Type.Integer({ description: 'The HTTP status.' }),
  message: Type.String(),
  error_code: Type.Optional(Type.String({ description: 'A code of the error catalogue.' })),
});
