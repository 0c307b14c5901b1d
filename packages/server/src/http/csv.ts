/** Answers as CSV, for routes that have a table of their answer. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Route } from '@corral/protocol/api/route';
import { csvText } from '@corral/protocol/csv';

/** Whether the caller asks for CSV: by the query `format`, or else by the header `accept`. */
export function wantsCsv({ query, headers }: FastifyRequest): boolean {
  const { format } = query as { readonly format?: string };
  if (format !== undefined) return format === 'csv';
  const kinds = (headers.accept ?? '').split(',').map((kind) => kind.split(';', 1)[0]?.trim().toLowerCase());
  const at = kinds.indexOf('text/csv');
  const json = kinds.findIndex((kind) => kind === 'application/json');
  return at >= 0 && (json < 0 || at < json);
}

/** The answer as it is sent: a table where the caller asks for one. */
export function written({ csv }: Route, name: string, answer: unknown, request: FastifyRequest, reply: FastifyReply): unknown {
  if (csv === undefined) return answer;
  reply.header('vary', 'accept');
  if (!wantsCsv(request)) return answer;
  // Browsers save it in place of showing it.
  reply.type('text/csv; charset=utf-8').header('content-disposition', `attachment; filename="${name}.csv"`);
  return csvText(csv(answer as never));
}
