/** Makes the answer of an MCP server, or its failure, the result of a tool. Texts of the server are bounded: a stranger wrote them. */
import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError, UnauthorizedError } from '@modelcontextprotocol/client';
import { detailOf } from '@corral/protocol/ports/contract';
import type { ToolResult } from '@corral/protocol/ports/tool';
import { notStarted } from '../host/keeper.ts';
import { wasNeverSent } from '../net/never-sent.ts';
import { LoginDenied, LoginNeeded, LoginTrouble } from './login.ts';

/** Longest text of a failure that an agent is told. */
const MESSAGE_CHARS = 2_000;

interface Answered {
  readonly content?: unknown;
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
}

/** @param structured the tool declares a schema of its structured content, which is then the answer */
export function resultOf(tool: string, structured: boolean, answer: Answered | undefined): ToolResult {
  if (typeof answer !== 'object') return { kind: 'failed', message: `${tool} answered without a result.`, code: 'CORRAL_RESULT_INVALID' };
  const content = Array.isArray(answer.content) ? answer.content : [];
  if (answer.isError === true) return { kind: 'failed', message: `${tool} failed: ${textOf(content) || 'it does not say why'}` };
  if (structured) {
    if (answer.structuredContent === undefined)
      return {
        kind: 'failed',
        message: `${tool} declares a schema and answered without structured content.`,
        code: 'CORRAL_RESULT_INVALID',
      };
    return { kind: 'ok', value: answer.structuredContent };
  }
  return {
    kind: 'ok',
    value: { content, ...(answer.structuredContent === undefined ? {} : { structuredContent: answer.structuredContent }) },
  };
}

function textOf(content: readonly unknown[]): string {
  const texts = content.map((one) => (one as { readonly text?: unknown } | null)?.text).filter((text) => typeof text === 'string');
  return cut(texts.join('\n'));
}

const cut = (text: string): string => (text.length > MESSAGE_CHARS ? `${text.slice(0, MESSAGE_CHARS - 1)}…` : text);

const FREE = { tokens: 0, money_micros: 0 };
const NOT_ACCEPTED =
  'its server does not accept the credentials of the host; `headers` or `oauth` of the server in the configuration names them, or they are those of a login';
const INVALID_PARAMS = -32_602;
const METHOD_NOT_FOUND = -32_601;
/** The refusal of a call at whose server nobody is signed in. Another attempt would end in the same way, so none is made. */
const loginNeeded = (tool: string, { message, next }: LoginNeeded): ToolResult => ({
  kind: 'failed',
  message: `${tool} was not started: ${message}. Sign in: \`${next}\`.`,
  code: 'CORRAL_LOGIN_NEEDED',
  cost: FREE,
});

/**
 * The result of a call that threw. A call whose request may have arrived is `unknown`: only an answer of the server, or a connection that was
 * never made, says that nothing happened.
 * @param why the connection was lost, if it was
 */
export function failureOf(tool: string, error: unknown, why: string | undefined): ToolResult {
  if (error instanceof LoginNeeded) return loginNeeded(tool, error);
  if (error instanceof LoginDenied) return { kind: 'failed', message: `${tool} was not started: ${error.message}.`, cost: FREE };
  if (error instanceof LoginTrouble) return notStarted(tool, error.message);
  if (error instanceof ProtocolError) {
    const message = `${tool} was refused by its server: ${cut(error.message)}`;
    return error.code === INVALID_PARAMS || error.code === METHOD_NOT_FOUND
      ? { kind: 'failed', message, code: 'CORRAL_ARGS_INVALID' }
      : { kind: 'failed', message };
  }
  if (error instanceof UnauthorizedError || (error instanceof SdkHttpError && error.status === 401)) return notStarted(tool, NOT_ACCEPTED);
  if (error instanceof SdkHttpError) return ofStatus(tool, error);
  if (error instanceof SdkError) {
    if (error.code === SdkErrorCode.NotConnected) return notStarted(tool, why ?? 'its server is not connected');
    if (error.code === SdkErrorCode.InvalidResult)
      return {
        kind: 'failed',
        message: `${tool} answered with something that is not a result of MCP.`,
        code: 'CORRAL_RESULT_INVALID',
        detail: detailOf(error),
      };
  }
  if (isUnreachable(error)) return notStarted(tool, 'its server cannot be reached');
  return {
    kind: 'unknown',
    message: `The connection to the server of ${tool} was lost while it worked${why === undefined ? '' : `: ${why}`}.`,
    detail: detailOf(error),
  };
}

function ofStatus(tool: string, error: SdkHttpError): ToolResult {
  const { status } = error;
  const message = `The server of ${tool} answered with status ${status}`;
  if (status === 429 || status === 503)
    return { ...notStarted(tool, `its server answered with status ${status}`), detail: detailOf(error) } as ToolResult;
  if (status >= 500) return { kind: 'unknown', message: `${message}, which does not say whether it acted.`, detail: detailOf(error) };
  return { kind: 'failed', message: `${message}.`, detail: detailOf(error) };
}

function isUnreachable(error: unknown): boolean {
  for (let cause: unknown = error, n = 0; cause instanceof Error && n < 5; cause = cause.cause, n += 1) {
    if (wasNeverSent(cause)) return true;
  }
  return false;
}
