import Type, { type TObject, type TSchema } from 'typebox';

/**
 * Who may call an operation.
 * - `none`: everybody
 * - `team`: API key; Bearer access token; admin token with X-Team-ID
 * - `user`: Bearer access token
 * - `user-team`: Bearer access token, or admin token with X-Team-ID
 * - `admin`: admin token
 */
export type Access = 'none' | 'team' | 'user' | 'user-team' | 'admin';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** What one status of an operation means, and the body it has; no schema: no body. */
export interface Answer {
  readonly description: string;
  readonly schema?: TSchema;
}

/** One operation of the API as plain data: the routes, their validation and the OpenAPI document are made from it. */
export interface Operation<Params extends TObject = TObject, Query extends TObject = TObject, Body = unknown> {
  readonly id: string;
  readonly method: Method;
  /** In OpenAPI's form: `/sandboxes/{sandboxID}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly access: Access;
  readonly params: Params;
  readonly query: Query;
  /** Absent: a body is neither read nor checked. Where every field is optional an empty body is taken as `{}`. */
  readonly body: Body;
  readonly answers: Readonly<Record<number, Answer>>;
  readonly deprecated: boolean;
}

const NOTHING = Type.Object({});

/** Fills in what an operation leaves out, keeping the types of what it gives. */
export function operation<
  Params extends TObject = typeof NOTHING,
  Query extends TObject = typeof NOTHING,
  Body extends TSchema | undefined = undefined,
>(given: {
  id: string;
  method: Method;
  path: string;
  tag: string;
  summary: string;
  access: Access;
  params?: Params;
  query?: Query;
  body?: Body;
  answers: Readonly<Record<number, Answer>>;
  deprecated?: boolean;
}): Operation<Params, Query, Body> {
  return {
    id: given.id,
    method: given.method,
    path: given.path,
    tag: given.tag,
    summary: given.summary,
    access: given.access,
    params: given.params ?? (NOTHING as unknown as Params),
    query: given.query ?? (NOTHING as unknown as Query),
    body: given.body as Body,
    answers: given.answers,
    deprecated: given.deprecated ?? false,
  };
}
