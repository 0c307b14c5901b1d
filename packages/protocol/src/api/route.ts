/** The description of one route of the front door. */
import type * as z from 'zod';
import type { Csv } from '../csv.ts';
import type { ActName } from './acts.ts';
import type { Operation } from './roles.ts';

/** The name of a route's act in the record, unless its handler gives a more exact one; or why the route leaves no row. */
export type Act = ActName | { readonly none: string };

interface RouteShape {
  /** `:name` for parameters. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  /** The permission that is needed; `open`: none, `anyone`: any authenticated caller, `body`: depends on the body. */
  readonly operation: Operation | 'open' | 'anyone' | 'body';
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly status: number;
  readonly response: z.ZodType;
  /** The answer is a stream of server-sent events, each of the form of the response schema. */
  readonly stream?: true;
  /** The answer is plain text, and no JSON. */
  readonly text?: true;
  /** The answer as a table, for who asks for `text/csv`. */
  readonly csv?: (answer: never) => Csv;
}

export type Route = RouteShape &
  ({ readonly method: 'GET'; readonly act?: never } | { readonly method: 'POST' | 'PUT' | 'DELETE'; readonly act: Act });

export const route = <const R extends Route>(one: R): R => one;
