/**
 * The process that runs the code of a configuration. It loads the module, describes its tools as data, and makes calls. Exceptions of
 * that code are reported to the host; the host handles all else that the code may do to the process (process.ts). All messages come over
 * one socket, and the process ends when the socket closes.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { registerHooks } from 'node:module';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import type * as z from 'zod';
import { contractOf, detailOf, type Checked, type Contract } from '@corral/protocol/ports/contract';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Tool, ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import type { Secrets } from '../define.ts';
import { formatOf, resolveSource, sourceOf } from '../compiled-names.ts';
import {
  FrameReader,
  framed,
  SOCKET_FD,
  type CallResult,
  type CodeFile,
  type FromProcess,
  type ToolDescription,
  type ToProcess,
} from './wire.ts';

type ToolsOption = readonly Tool[] | ((powers: { readonly secret: (name: string) => Promise<string> }) => unknown);

const MOST = MACHINE.tool_frame_bytes.default;
/** Ends this process. `process.exit` is replaced below: a tool that calls it fails, and the other calls go on. */
const leave = process.exit.bind(process);
const socket = new Socket({ fd: SOCKET_FD, readable: true, writable: true });
const reader = new FrameReader(MOST);
/** The number of the call to which the running code belongs. */
const current = new AsyncLocalStorage<number>();
const tools = new Map<string, Tool>();
const calls = new Map<number, AbortController>();
/** Callers that wait for the trial of an answer in another process, by call. */
const trials = new Map<number, (refusal: CallResult | null) => void>();
const asked = new Map<number, { readonly given: (value: string) => void; readonly refused: (error: Error) => void }>();
/** Calls that have not begun yet. */
const waiting: (ToProcess & { kind: 'call' | 'check' })[] = [];
let asks = 0;
let option: ToolsOption = [];

function say(message: FromProcess): void {
  const frame = framed(message, MOST);
  if (frame !== undefined) socket.write(frame);
  else if (message.kind === 'result')
    say({ ...message, result: failed('its answer is larger than the maximum.', 'CORRAL_RESULT_TOO_LARGE') });
  else say({ kind: 'broken', message: `its description is larger than ${MOST} bytes`, detail: '' });
}

const failed = (
  message: string,
  code: 'CORRAL_ARGS_INVALID' | 'CORRAL_RESULT_INVALID' | 'CORRAL_RESULT_TOO_LARGE',
  detail?: string,
): CallResult => ({
  kind: 'failed',
  message,
  code,
  ...(detail === undefined ? {} : { detail }),
});

function onMessage(message: ToProcess): void {
  switch (message.kind) {
    case 'load':
      return void load(message).catch(broken);
    case 'make':
      return void make().catch(broken);
    case 'call':
    case 'check':
      calls.set(message.n, new AbortController());
      waiting.push(message);
      if (waiting.length === 1) setImmediate(begin);
      return;
    case 'tried':
      trials.get(message.n)?.(message.refusal);
      return void trials.delete(message.n);
    case 'abort':
      return calls.get(message.n)?.abort(new DOMException(message.message, message.name));
    case 'secret':
      asked.get(message.n)?.given(message.value);
      return void asked.delete(message.n);
    case 'no_secret':
      asked.get(message.n)?.refused(new Error(message.message));
      return void asked.delete(message.n);
    case 'ping':
      return say({ kind: 'pong', n: message.n });
  }
}

/**
 * Each call begins in its own turn of the event loop. So an immediate answer is sent before the next call can change the answered object,
 * and the socket is read between two calls that take time: node runs all immediates of one turn without polling the socket.
 */
function begin(): void {
  const [message] = waiting;
  if (message === undefined) return;
  current.run(message.n, () => void call(message));
  waiting.shift();
  if (waiting.length > 0) setImmediate(begin);
}

/** The stack of a syntax error begins with the file and line, which its message lacks; hence `detail`. */
function broken(error: unknown): void {
  say({ kind: 'broken', message: error instanceof Error ? String(error.message) : String(error), detail: detailOf(error) });
}

/** The URL of a specifier, or of the source it is compiled from, if it is one of the files that were handed over. */
function keptAt(specifier: string, parent: string | undefined, files: Readonly<Record<string, CodeFile>>): string | undefined {
  const at = [specifier, sourceOf(specifier)].map((name) => {
    if (name === undefined) return '';
    const isRelative = name.startsWith('.') || name.startsWith('/');
    return URL.parse(name, isRelative ? parent : undefined)?.href ?? '';
  });
  return at.find((url) => files[url] !== undefined);
}

async function load({ url, lent, files }: ToProcess & { kind: 'load' }): Promise<void> {
  const read: Record<string, CodeFile> = {};
  // URLs of packages and of what they import. A bare specifier leads into a package; these files are not part of the configuration's
  // code.
  const packaged = new Set<string>();
  registerHooks({
    resolve(specifier, context, next) {
      const kept = keptAt(specifier, context.parentURL, files);
      if (kept !== undefined) return { url: kept, shortCircuit: true };
      const found = resolveSource(specifier, (name) => next(name, context), lent[specifier]);
      if (!/^(?:\.{0,2}\/|file:)/.test(specifier) || packaged.has(context.parentURL ?? '')) packaged.add(found.url);
      return found;
    },
    load(from, context, next) {
      const kept = files[from];
      const format = kept === undefined ? formatOf(from, context.format) : undefined;
      const loaded =
        kept === undefined
          ? next(from, format === undefined ? context : { ...context, format })
          : { format: kept.format, source: kept.text, shortCircuit: true };
      if (from.startsWith('file:') && !packaged.has(from) && loaded.source !== null && loaded.source !== undefined)
        read[from] = { format: loaded.format ?? 'module', text: Buffer.from(loaded.source as string).toString() };
      return loaded;
    },
  });
  const module = (await import(url)) as { default?: unknown };
  const value = module.default;
  if (value === undefined) throw new Error('it has no default export; write `export default defineConfig({ … })`');
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`its default export is not an object but ${kindOf(value)}`);
  const { tools: made, ...rest } = value as { tools?: unknown };
  if (made !== undefined && !Array.isArray(made) && typeof made !== 'function')
    throw new Error('tools: must be a list of tools or a function that gives one');
  option = (made ?? []) as ToolsOption;
  say({
    kind: 'loaded',
    rest: JSON.parse(JSON.stringify(rest)) as Json,
    makes: typeof made === 'function' || (made?.length ?? 0) > 0,
    files: read,
  });
}

const kindOf = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`);

async function make(): Promise<void> {
  const made = typeof option === 'function' ? await option({ secret }) : option;
  if (!Array.isArray(made)) throw new Error(`tools: its function did not return a list but ${kindOf(made)}`);
  const described = made.map((tool: unknown, i) => describeTool(tool, i));
  say({ kind: 'made', tools: described });
}

/** @throws Error that names the tool and the fault */
function describeTool(value: unknown, i: number): ToolDescription {
  const tool = value as Tool;
  if (typeof tool !== 'object' || tool === null || typeof tool.name !== 'string' || typeof tool.invoke !== 'function')
    throw new Error(`tools: number ${i + 1} is not a tool; make it with tool({ … })`);
  const { name, description, annotations, timeout_ms } = tool;
  if (tools.has(name)) throw new Error(`two tools are called ${name}`);
  const own: Tool = {
    ...tool,
    input: contract(name, 'input', tool.input),
    output: contract(name, 'output', tool.output),
    invoke: (one) => tool.invoke(one),
  };
  tools.set(name, own);
  return {
    name,
    description: String(description ?? ''),
    input: own.input.schema,
    output: own.output.schema,
    annotations: JSON.parse(JSON.stringify(annotations ?? {})) as Record<string, Json>,
    ...(timeout_ms === undefined ? {} : { timeout_ms }),
    may_hang: own.input.mayHang !== false,
  };
}

/** The contract of a tool; a tool made without tool() may have a zod schema instead. @throws Error that names the tool and the side */
function contract(name: string, side: 'input' | 'output', given: Contract | z.ZodType): Contract {
  try {
    const schema = 'safeParse' in given ? contractOf(given, side) : given;
    if (typeof schema.check !== 'function' || typeof schema.schema !== 'object') throw new TypeError('it is not a schema');
    return schema;
  } catch (error) {
    const why =
      error instanceof TypeError ? 'it is not a schema; write one with zod, such as z.object({ … })' : String((error as Error).message);
    throw new Error(`tool ${name}: ${side}: ${why}`, { cause: error });
  }
}

function secret(name: string): Promise<string> {
  const n = (asks += 1);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // Made here, so that its stack leads to the line of the tool.
  const missing = new Error('?');
  const refused = ({ message }: Error) => {
    missing.stack = missing.stack?.replace('?', message) ?? message;
    missing.message = message;
    reject(missing);
  };
  asked.set(n, { given: resolve, refused });
  say({ kind: 'secret', n, name: String(name), call: current.getStore() ?? null });
  return promise;
}

async function call(message: ToProcess & { kind: 'call' | 'check' }): Promise<void> {
  const abort = calls.get(message.n) ?? new AbortController();
  let result: CallResult;
  try {
    result = await made(message, abort.signal);
  } catch (error) {
    result = { kind: 'failed', message: `${message.tool} failed.`, detail: detailOf(error) };
  }
  calls.delete(message.n);
  try {
    say({ kind: 'result', n: message.n, result });
  } catch (error) {
    // A tool made without tool() may answer with a value that JSON.stringify cannot convert.
    say({
      kind: 'result',
      n: message.n,
      result: failed(`${message.tool} returned a value that is not JSON.`, 'CORRAL_RESULT_INVALID', detailOf(error)),
    });
  }
}

/**
 * Makes a call, with everything that JSON Schema cannot express (refinements, transforms), and converts the answer to JSON before
 * anything can change it.
 */
async function made(message: ToProcess & { kind: 'call' | 'check' }, signal: AbortSignal): Promise<CallResult> {
  const tool = tools.get(message.tool);
  if (tool === undefined) return { kind: 'failed', message: `This host no longer offers ${message.tool}.` };
  if (message.kind === 'check') say({ kind: 'began', n: message.n });
  if (message.of === 'output') {
    const answer = await (tool.output.checkLater?.(message.input) ?? tool.output.check(message.input));
    return answer.ok ? { kind: 'ok', value: null } : broke(tool, answer);
  }
  const given = await (tool.input.checkLater?.(message.input) ?? tool.input.check(message.input));
  if (!given.ok) {
    const where = given.where === '' ? '' : `${given.where}: `;
    return failed(`${tool.name} does not take these arguments: ${where}${given.message}.`, 'CORRAL_ARGS_INVALID', given.detail);
  }
  if (message.kind === 'check') return { kind: 'ok', value: null };
  if (signal.aborted) return { kind: 'failed', message: `${tool.name} was not started.`, cost: { tokens: 0, money_micros: 0 } };
  const { idempotency_key, attempt, run, tenant, agent, person, traceparent } = message;
  const traced = traceparent === undefined ? {} : { traceparent };
  const of = { input: given.value as Json, idempotency_key, attempt, run, tenant, agent, person, signal, ...traced, secret };
  // A tool of a configuration asks nobody for input.
  const result = (await tool.invoke(of as ToolCall & Secrets)) as ToolResult;
  if (result.kind !== 'ok') return result;
  const cost = result.cost === undefined ? {} : { cost: result.cost };
  const refusal = tool.output.mayHang === false ? null : await tried(message.n, result.value);
  if (refusal !== null) return { ...refusal, ...cost };
  const answer = await (tool.output.checkLater?.(result.value) ?? tool.output.check(result.value));
  if (!answer.ok) return { ...broke(tool, answer), ...cost };
  try {
    const text = JSON.stringify(answer.value ?? null) as string | undefined;
    if (text !== undefined) return { kind: 'ok', value: JSON.parse(text) as Json, ...cost };
    return {
      ...failed(`${tool.name} returned a value that is not JSON.`, 'CORRAL_RESULT_INVALID', `It is a ${typeof answer.value}.`),
      ...cost,
    };
  } catch (error) {
    return { ...failed(`${tool.name} returned a value that is not JSON.`, 'CORRAL_RESULT_INVALID', detailOf(error)), ...cost };
  }
}

const broke = (tool: Tool, { detail, where, message }: Extract<Checked, { readonly ok: false }>): CallResult =>
  failed(`${tool.name} broke its own output schema.`, 'CORRAL_RESULT_INVALID', detail ?? `${where}: ${message}`);

/**
 * Has another process check an answer whose check may never end; here it would block every other call.
 * @returns the refusal; null if it fits, or if only this process can check it because it does not fit into a message
 */
function tried(n: number, value: unknown): Promise<CallResult | null> | null {
  const message = { kind: 'answer', n, value: value as Json } as const;
  try {
    if (JSON.stringify(value) === undefined) return null;
    if (framed(message, MOST) === undefined)
      return Promise.resolve(failed('its answer is larger than the maximum.', 'CORRAL_RESULT_TOO_LARGE'));
  } catch {
    return null;
  }
  const { promise, resolve } = Promise.withResolvers<CallResult | null>();
  trials.set(n, resolve);
  say(message);
  return promise;
}

/** The host replaces this process after the first exception, so only this many are reported until then. */
const MOST_UNCAUGHT = 100;
let thrown = 0;
const uncaught = (error: unknown) => {
  thrown += 1;
  if (thrown <= MOST_UNCAUGHT) say({ kind: 'uncaught', n: current.getStore() ?? null, detail: detailOf(error) });
};
process.on('uncaughtException', uncaught);
process.on('unhandledRejection', uncaught);
process.exit = (code) => {
  throw new Error(`A tool called process.exit(${code ?? ''}), which would end every tool of this host.`);
};
// The host is gone or has closed the socket. Code that is stuck in a loop never gets here, so a thread watches the host as well.
socket.on('close', () => leave(0));
socket.on('error', () => leave(0));
new Worker(`const host = process.ppid; setInterval(() => { if (process.ppid !== host) process.kill(process.pid, 'SIGKILL'); }, 1000);`, {
  eval: true,
  stdout: false,
}).unref();
socket.on('data', (chunk) => {
  for (const message of reader.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)) onMessage(message as ToProcess);
});
