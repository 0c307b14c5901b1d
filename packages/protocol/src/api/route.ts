/** What is said of one route of the front door. */
import type * as z from 'zod';
import type { Operation } from './roles.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
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

export const route = <const R extends Route>(one: R): R => one;
