/** Connections from which no request can be read. */
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { PROBLEM_TYPE, problemOf } from '@corral/protocol/api/problem';
import { CorralError } from '@corral/protocol/errors';

/** Answers a connection that sends no HTTP, or sends too slowly or too much, with a problem document, and closes it. */
export function refuseRaw(this: FastifyInstance, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, title] = {
    HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'] as const,
    ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'] as const,
  }[error.code ?? ''] ?? [400, 'Bad Request'];
  const said =
    status === 431 ? 'The headers are larger than 16 KiB.' : status === 408 ? 'The request took too long.' : 'This cannot be read as HTTP.';
  const body = JSON.stringify(problemOf(new CorralError('CORRAL_REQUEST_INVALID', said), status));
  if (socket.writable)
    socket.write(
      `HTTP/1.1 ${status} ${title}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  socket.destroySoon();
}
