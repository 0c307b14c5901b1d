/** Makes a tool's answer one for the agent, and says whether to ask once more. */
import { errorData } from '@corral/protocol/errors';
import { isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import { CEILINGS, type Ceilings } from '@corral/protocol/limits';
import { bounded } from '@corral/protocol/model/outcome';
import { detailOf } from '@corral/protocol/ports/contract';
import { mayRepeat, type NeedsInput, type ToolResult } from '@corral/protocol/ports/tool';
import type { Result } from '@corral/protocol/wire/delivery';
import { viewOf } from '@corral/protocol/wire/handle';
import type { Dispatch } from '../effects/batch.ts';

/** The dispatcher's own result, in addition to those of tools. */
export interface TimedOut {
  readonly kind: 'timed_out';
  readonly message: string;
}

/**
 * Whether another attempt may succeed and does no harm: the tool reports that it did nothing and may succeed later, or its result was
 * lost or late and the call may be repeated.
 */
export function isWorthAnother(call: Dispatch, result: ToolResult | TimedOut): boolean {
  if (result.kind === 'failed') return result.retryable === true;
  return result.kind !== 'ok' && mayRepeat(call.tool.annotations);
}

/**
 * A request for input as the result of an attempt: itself, or why nobody is asked. A tool that waits in memory is told by its signal, and may
 * have acted by then.
 * @param signal aborted: the agent has given the call up, or this host stops
 */
export function mayAskPeople({ tool: { name }, stream }: Dispatch, asked: NeedsInput, signal: AbortSignal): ToolResult | NeedsInput {
  if (!signal.aborted && stream === undefined) return asked;
  const why = signal.aborted ? 'and nobody waits for the call any more' : 'which a call whose answer comes in parts cannot wait for';
  const message = `${name} asked for input of people, ${why}.`;
  return asked.request.live === true ? { kind: 'unknown', message } : { kind: 'failed', message };
}

/**
 * A tool that fails after this host has aborted it may have acted before, unless it reports that it did nothing; so the result is
 * unknown.
 */
export function cutOff(tool: string, result: ToolResult | TimedOut): ToolResult | TimedOut {
  if (result.kind !== 'failed' || result.retryable === true) return result;
  return { kind: 'unknown', message: `This host stopped while ${tool} was at work: ${result.message}` };
}

/**
 * The result of a tool as the agent gets it: valid against the tool's output schema and within the limits, or an error. `well`: whether
 * the tool counts as working for its breaker. An answer that is not JSON counts as working, since the agent's arguments may have caused
 * it.
 * @param lost an attempt before this one may have acted
 */
export function resultOf(
  call: Dispatch,
  most: number,
  result: ToolResult | TimedOut,
  lost: boolean,
): { readonly told: Result; readonly well: boolean } {
  const { id, tool } = call;
  if (result.kind !== 'ok') {
    const code = result.kind === 'failed' ? (result.code ?? 'CORRAL_TOOL_FAILED') : CODES[result.kind];
    const error = errorData(code, bounded(result.message), { call: id });
    const may_have_acted = lost || result.kind !== 'failed';
    const retryable = result.kind === 'failed' ? result.retryable === true : mayRepeat(tool.annotations);
    const told = {
      id,
      error: retryable ? { ...error, retryable } : error,
      ...(call.unread === true ? { unread: true as const } : {}),
      ...('detail' in result && result.detail !== undefined ? { detail: result.detail } : {}),
      ...(may_have_acted ? { may_have_acted } : {}),
    };
    return { told, well: result.kind === 'failed' };
  }
  const invalid = (message: string, well: boolean, detail?: string) => {
    const error = errorData('CORRAL_RESULT_INVALID', `${tool.name} ${message}`, { call: id });
    return { told: { id, error, ...(detail === undefined ? {} : { detail }) }, well };
  };
  const checked = (call.stream === undefined ? tool.output : (tool.end ?? tool.output)).check(result.value);
  if (!checked.ok) return invalid('broke its own output schema.', false, checked.detail ?? `${checked.where}: ${checked.message}`);
  const copied = copyOf(checked.value);
  if ('refused' in copied) return invalid('returned a value that is not JSON.', true, copied.refused);
  const { value, bytes } = copied;
  if (bytes > most) {
    const message = `${tool.name} returned ${bytes} bytes; at most ${most} may come back at once.`;
    return { told: { id, error: errorData('CORRAL_RESULT_TOO_LARGE', message, { call: id }) }, well: true };
  }
  if (isDeeperThan(value, JSON_MAX_DEPTH)) return invalid(`returned more than ${JSON_MAX_DEPTH} levels.`, true);
  const kept = tool.keeps === true && result.kept !== undefined ? { kept: result.kept } : {};
  return { told: { id, value, ...(call.as_handle === true ? { handle: viewOf(value) } : {}), ...kept }, well: true };
}

/**
 * Bytes of the largest result of a call. A value that stays with the host behind a handle is bounded by what any run could be given, and not by the
 * ceiling of this one.
 */
export const largestResult = ({ message_bytes }: Ceilings, { as_handle }: Pick<Dispatch, 'as_handle'>): number =>
  as_handle === true ? CEILINGS.message_bytes.max : message_bytes;

const CODES = { timed_out: 'CORRAL_TIMED_OUT', unknown: 'CORRAL_TOOL_FAILED' } as const;

/**
 * Copies a value as JSON, so that later changes by the tool have no effect. Serialising may run code of the tool (getters, `toJSON`,
 * proxies), which may throw.
 */
export function copyOf(value: unknown): { readonly value: Json; readonly bytes: number } | { readonly refused: string } {
  try {
    const text = JSON.stringify(value ?? null) as string | undefined;
    if (text === undefined) return { refused: `It is a ${typeof value}.` };
    const isFlat = typeof value !== 'object' || value === null;
    return {
      value: isFlat && typeof value !== 'number' ? ((value ?? null) as Json) : (JSON.parse(text) as Json),
      bytes: Buffer.byteLength(text),
    };
  } catch (error) {
    return { refused: detailOf(error) };
  }
}
