/** Tells errors of a connection that never came about from those of one over which something may have been sent. */

const CODES: ReadonlySet<unknown> = new Set([
  'CORRAL_ADDRESS',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

interface Said {
  readonly code?: unknown;
  readonly syscall?: unknown;
}

/** Whether nothing of a request has left the host. A connection that broke later may have some of these codes too: its error is of a read or a write. */
export function wasNeverSent(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as Said;
  return CODES.has(code) && syscall !== 'read' && syscall !== 'write';
}
