/** What is said of one route of the front door. */
import type * as z from 'zod';
import type { Operation } from './roles.ts';

/**
 * What a route that changes something is called in the record of administrative acts, unless its handler says it more exactly;
 * or why it leaves no row there.
 */
export type Act = string | { readonly none: string };

interface RouteShape {
  /** `:name` for parameters. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  /** What the principal must be allowed; `open`: nothing, `anyone`: to be somebody, `body`: it depends on the body. */
  readonly operation: Operation | 'open' | 'anyone' | 'body';
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly status: number;
  readonly response: z.ZodType;
  /** It answers with a stream of server-sent events, each as the response schema says. */
  readonly stream?: true;
}

export type Route = RouteShape &
  ({ readonly method: 'GET'; readonly act?: never } | { readonly method: 'POST' | 'PUT' | 'DELETE'; readonly act: Act });

export const route = <const R extends Route>(one: R): R => one;
