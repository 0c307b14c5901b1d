/** A tool that streams under the control of the test, and the chunks in the journal of a run. */
import * as z from 'zod';
import type { Json } from '@corral/protocol/json';
import { contractOf } from '@corral/protocol/ports/contract';
import { ASKS_MODEL, type Tool, type ToolAnnotations, type ToolCall, type ToolResult } from '@corral/protocol/ports/tool';
import type { RunId } from '@corral/protocol/ids';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { agentFile } from './agents/file.ts';
import type { AgentSource } from './bundles.ts';
import { found, until } from './until.ts';
import type { World } from './world.ts';

/** A call that the tool was given. */
export class Talk {
  readonly call: ToolCall;
  /** Parts that the host has made room for. */
  taken = 0;
  /** Why the host refused a part, if it did. */
  refused: unknown;
  readonly end: (result: ToolResult) => void;

  constructor(call: ToolCall, end: (result: ToolResult) => void) {
    this.call = call;
    this.end = end;
  }

  /** Hands over parts one after another, each when there is room. */
  async say(...parts: readonly Json[]): Promise<void> {
    try {
      for (const part of parts) {
        await this.call.part?.(part);
        this.taken += 1;
      }
    } catch (error) {
      this.refused = error;
    }
  }

  done(value: unknown = 'end', more: Partial<Extract<ToolResult, { kind: 'ok' }>> = {}): void {
    this.end({ kind: 'ok', value, ...more });
  }
}

export interface Talker {
  readonly tool: Tool;
  readonly talks: Talk[];
  /** The n-th call, once the host has made it. */
  readonly next: (n?: number) => Promise<Talk>;
}

/** Without annotations it is a model: it may be asked again, and what it says is what it was told. */
export function talker(annotations: ToolAnnotations = ASKS_MODEL, more: Partial<Tool> = {}): Talker {
  const talks: Talk[] = [];
  const anything = contractOf(z.unknown());
  const tool: Tool = {
    name: 'talk',
    description: 'talks',
    input: contractOf(z.record(z.string(), z.unknown())),
    output: anything,
    streams: true,
    annotations,
    invoke: (call) => new Promise((end) => talks.push(new Talk(call, end))),
    ...more,
  };
  return { tool, talks, next: (n = 1) => found(() => talks[n - 1], `call ${n} of the tool`) };
}

interface Entry {
  readonly seq: number;
  readonly delivery: Delivery | undefined;
  readonly effects: readonly { readonly kind: string }[];
}

export async function journalOf(w: World, run: RunId): Promise<readonly Entry[]> {
  const entries = await w.store.journal(run, 0);
  return entries.map(({ seq, delivery, effects }) => ({
    seq,
    delivery: delivery === undefined ? undefined : (JSON.parse(delivery) as Delivery),
    effects: effects === undefined ? [] : (JSON.parse(effects) as { kind: string }[]),
  }));
}

/** The chunks in the journal of a run. */
export const chunksOf = async (w: World, run: RunId) =>
  (await journalOf(w, run)).flatMap(({ delivery }) => (delivery?.kind === 'chunk' ? [delivery] : []));

/** Until the journal has this many parts. */
export const given = (w: World, run: RunId, parts: number) =>
  until(
    async () => (await chunksOf(w, run)).reduce((sum, chunk) => sum + chunk.parts.length, 0) >= parts,
    `${parts} parts are in the journal`,
  );

export const COLLECT = agentFile('streams/collect');

/** A run that has been given the part `a`, and waits for more. */
export async function begun(
  w: World,
  next: () => Promise<Talk>,
  source: AgentSource = COLLECT,
  input: object = {},
  more?: Parameters<World['submit']>[2],
) {
  const version = await w.deploy(source);
  const run = await w.submit(version, input, more);
  const talk = await next();
  await talk.say('a');
  await given(w, run.id, 1);
  return { ...run, talk, version };
}

/** Tokens that a run which has ended has paid for. */
export const billed = (w: World, id: RunId) =>
  w.seen.flatMap((one) => (one.kind === 'ended' && one.run === id ? [one.view.tokens] : []))[0];
