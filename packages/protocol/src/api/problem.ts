/** Errors as the front door sends them: problem documents (RFC 9457), each with a code of the table of errors. */
import * as z from 'zod';
import { ERRORS, isErrorCode, type CorralError, type ErrorCode } from '../errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export const Problem = z
  .object({
    /** A name, not an address: `urn:corral:error:<code>`. */
    type: z.string(),
    title: z.string(),
    status: z.int(),
    /** One sentence. */
    detail: z.string(),
    code: z.string(),
    /** The next step for the caller. */
    hint: z.string(),
    retryable: z.boolean(),
    /** Places and faults, for a request that does not fit its schema. */
    errors: z.array(z.object({ at: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'An error, in the format of RFC 9457.' });
export type Problem = z.infer<typeof Problem>;

/** HTTP status by code. Codes that are not listed: 422 if the agent's author must act, 409 if an operator must, 500 for bugs. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  CORRAL_UNAUTHENTICATED: 401,
  CORRAL_FORBIDDEN: 403,
  CORRAL_WITHHELD: 403,
  CORRAL_ORIGIN_REFUSED: 403,
  CORRAL_APPROVER: 403,
  CORRAL_PROOF_NEEDED: 403,
  CORRAL_LINK_REFUSED: 403,
  CORRAL_ROUTE_UNKNOWN: 404,
  CORRAL_RUN_UNKNOWN: 404,
  CORRAL_MEMORY_UNKNOWN: 404,
  CORRAL_AGENT_UNKNOWN: 404,
  CORRAL_TOOL_UNKNOWN: 404,
  CORRAL_PROFILE_UNKNOWN: 404,
  CORRAL_VERSION_UNKNOWN: 404,
  CORRAL_TENANT_UNKNOWN: 404,
  CORRAL_TOKEN_UNKNOWN: 404,
  CORRAL_TOKEN_TAKEN: 409,
  CORRAL_WEBHOOK_UNKNOWN: 404,
  CORRAL_SCHEDULE_UNKNOWN: 404,
  CORRAL_REQUEST_INVALID: 400,
  CORRAL_ANSWER_INVALID: 400,
  CORRAL_USAGE: 400,
  CORRAL_SCHEDULE_INVALID: 400,
  CORRAL_REQUEST_TOO_LARGE: 413,
  CORRAL_BUNDLE_TOO_LARGE: 413,
  CORRAL_INPUT_TOO_LARGE: 413,
  CORRAL_RATE_LIMITED: 429,
  CORRAL_QUEUE_FULL: 429,
  CORRAL_SPEND_EXCEEDED: 429,
  CORRAL_CONFIG_INVALID: 422,
  CORRAL_POLICY_INVALID: 422,
  CORRAL_IDEMPOTENCY_MISMATCH: 422,
  CORRAL_DISK_FULL: 507,
  CORRAL_AGENT_RESTS: 503,
  CORRAL_MEMORY_UNAVAILABLE: 503,
  CORRAL_MEMORY_LEFT: 503,
  CORRAL_STARTING: 503,
  CORRAL_STOPPING: 503,
  CORRAL_CELL_START: 503,
  CORRAL_TELEMETRY_OFF: 404,
  CORRAL_TELEMETRY_LOST: 503,
};

export function statusOf(code: ErrorCode): number {
  return STATUS[code] ?? { guest: 422, operator: 409, bug: 500 }[ERRORS[code].audience];
}

/** @param status given if HTTP itself decides it, such as 405 or 431 */
export function problemOf(error: CorralError, status: number = statusOf(error.code), errors?: Problem['errors']): Problem {
  return {
    type: `urn:corral:error:${error.code}`,
    title: error.code
      .slice('CORRAL_'.length)
      .toLowerCase()
      .replaceAll('_', ' ')
      .replace(/^./, (first) => first.toUpperCase()),
    status,
    // Internal details belong in the log and are not sent to the caller.
    detail: error.audience === 'bug' ? 'Corral failed at this; its log says how.' : error.message,
    code: error.code,
    hint: error.hint,
    retryable: error.retryable,
    ...(errors === undefined ? {} : { errors }),
  };
}

export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && isErrorCode(value.code) && 'detail' in value;
}
