/**
 * Why a notification was not delivered: a text for lists, and one for the host's log. Errors of the network or of files contain
 * addresses and paths of the machine, which a tenant's operators must not see.
 */
import { CorralError } from '@corral/protocol/errors';

export interface Failure {
  /** Stored with the notification, and shown. */
  readonly told: string;
  /** For the host's log only; left out: the same as `told`. */
  readonly why?: string;
}

/** Meanings of error codes of Node and undici, by prefix. */
const WORDS: readonly (readonly [string, string])[] = [
  ['ECONNREFUSED', 'the address refuses connections'],
  ['ENOTFOUND', 'the name of the address is not known'],
  ['EAI_', 'the name of the address cannot be looked up'],
  ['ETIMEDOUT', 'the address cannot be reached'],
  ['EHOSTUNREACH', 'the address cannot be reached'],
  ['ENETUNREACH', 'the address cannot be reached'],
  ['UND_ERR_CONNECT_TIMEOUT', 'the address cannot be reached'],
  ['ECONNRESET', 'the connection was cut'],
  ['EPIPE', 'the connection was cut'],
  ['UND_ERR_SOCKET', 'the connection was cut'],
  ['HPE_', 'it did not answer in HTTP'],
  ['CERT_', 'the certificate is not accepted'],
  ['ERR_TLS_', 'the certificate is not accepted'],
  ['ERR_SSL_', 'no secure connection could be made'],
  ['DEPTH_ZERO_', 'the certificate is not accepted'],
  ['SELF_SIGNED_', 'the certificate is not accepted'],
  ['UNABLE_TO_', 'the certificate is not accepted'],
];
const LENGTH = 500;

/** @param error what reading the secret or sending threw */
export function failureOf(error: unknown, answer_ms: number): Failure {
  if (error instanceof DOMException && error.name === 'TimeoutError') return { told: `it did not answer within ${answer_ms} ms` };
  if (error instanceof CorralError) return { told: 'the secret that signs cannot be read', why: error.message };
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = (cause instanceof Error ? cause.message || cause.name : String(cause)).slice(0, LENGTH);
  const code = codeOf(cause);
  const told = WORDS.find(([beginning]) => code.startsWith(beginning))?.[1] ?? 'it could not be sent; the log of the host says why';
  return { told, why: code === '' || why.includes(code) ? why : `${code} ${why}` };
}

/** A name with several addresses fails with one error for each; the first decides. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError && !('code' in error)) return codeOf(error.errors[0]);
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}
