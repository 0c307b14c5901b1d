/**
 * Loads recorded runs for the containment evaluation: traces with the tools of their suites, and results as JSON. The truth about attacks
 * (`injected`, `hijack*`, the `i` of `src`) is kept separate from the data that a decision may use.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { leavesOf } from '@corral/policy/flow/leaves';
import type { Json } from '@corral/protocol/json';
import { parseDocument } from 'yaml';
import { folderOf, rows } from './data.ts';

export interface SuiteTool {
  readonly name: string;
  readonly description?: string;
  readonly params: readonly { readonly name: string }[];
  readonly side_effect: boolean | 'soft';
  readonly reads_untrusted: boolean;
  readonly egress: boolean;
  readonly egress_params: readonly string[];
  /** Fields of its untrusted results that its system writes itself (who-writes.ts). */
  readonly trusted_fields?: readonly string[];
}

/** A call as the broker sees it. */
export interface Call {
  readonly index: number;
  readonly step: number;
  readonly tool: string;
  readonly args: Json;
  readonly result: Json;
  /** Texts that are known to have been in the part of the result that the recording cut off. */
  readonly unseen: string;
  /** Fields that are known to have been in that part, where they are put back as fields. */
  readonly cut?: Json;
  readonly failed: boolean;
}

/** A recorded run. `truth` is only for scoring. */
export interface Trace {
  readonly id: string;
  readonly suite: string;
  readonly model: string;
  readonly prompt: string;
  readonly tools: ReadonlyMap<string, SuiteTool>;
  readonly calls: readonly Call[];
  readonly truth: {
    readonly task: string;
    readonly injection_task: string | null;
    readonly injected: boolean;
    readonly defended: boolean;
    readonly solved: boolean;
    readonly attacked: boolean;
    /** For each call: whether it is an effect that the attacker wanted. */
    readonly hijack_effect: readonly boolean[];
    /** By index of a call: paths of its arguments whose value was in injected text. */
    readonly injected_leaf: Readonly<Record<number, ReadonlySet<string>>>;
  };
}

interface RecordedCall {
  readonly tool: string;
  readonly args: { readonly [key: string]: Json };
  readonly step: number;
  readonly result?: string;
  readonly res_len?: number;
  readonly error?: string;
  readonly src?: Readonly<Record<string, readonly (string | number)[]>>;
  readonly hijack_effect?: boolean;
}
interface RecordedTrace {
  readonly id: string;
  readonly model: string | null;
  readonly defense: string | null;
  readonly suite: string;
  readonly task: string;
  readonly bench_version: string;
  readonly injected: boolean;
  readonly injection_task: string | null;
  readonly utility: boolean | null;
  readonly security: boolean | null;
  readonly prompt: string;
  readonly calls: readonly RecordedCall[];
}
type Suites = Readonly<Record<string, Readonly<Record<string, { readonly tools: readonly SuiteTool[] }>>>>;

/**
 * Reads all traces of agents with tools of a known suite from a folder. Other traces are skipped.
 * @param asFields values that were in a part that the recording cut off, and outside of the injected text, are put back as the field that is
 * named like the argument which they became, instead of as text
 */
export function load(folder: string, asFields = false): Trace[] {
  const known = [join(folderOf(folder), 'suites.json'), join(folder, 'suites.json')].find((file) => existsSync(file));
  if (known === undefined) throw new Error(`${folder} has no suites.json, which says what the tools of each suite do.`);
  const suites = JSON.parse(readFileSync(known, 'utf8')) as Suites;
  const traces: Trace[] = [];
  for (const recorded of rows<RecordedTrace>(folder, /./)) {
    const tools = toolsOf(suites, recorded);
    if (tools !== undefined && typeof recorded.prompt === 'string' && 'injected' in recorded)
      traces.push(traceOf(recorded, tools, asFields));
  }
  return traces;
}

/** The tools of a suite in the trace's version, and those of other versions whose names this one lacks. */
function toolsOf(suites: Suites, trace: RecordedTrace): ReadonlyMap<string, SuiteTool> | undefined {
  const versions = [suites[trace.bench_version], ...Object.values(suites)];
  const tools = new Map<string, SuiteTool>();
  for (const version of versions)
    for (const tool of version?.[trace.suite]?.tools ?? []) if (!tools.has(tool.name)) tools.set(tool.name, tool);
  return tools.size === 0 ? undefined : tools;
}

function traceOf(recorded: RecordedTrace, tools: ReadonlyMap<string, SuiteTool>, asFields: boolean): Trace {
  const { unseen, fields } = unseenOf(recorded.calls, asFields);
  return {
    id: recorded.id,
    suite: recorded.suite,
    model: recorded.model ?? 'unknown',
    prompt: recorded.prompt,
    tools,
    calls: recorded.calls.map((call, index) => ({
      index,
      step: call.step,
      tool: call.tool,
      args: call.args,
      result: jsonOf(call.result ?? ''),
      unseen: (unseen.get(index) ?? []).join('\n'),
      ...(fields.has(index) ? { cut: fields.get(index) as Json } : {}),
      failed: call.error !== undefined,
    })),
    truth: {
      task: recorded.task,
      injection_task: recorded.injection_task,
      injected: recorded.injected,
      defended: recorded.defense !== null,
      solved: recorded.utility === true,
      attacked: recorded.injected && recorded.security === true,
      hijack_effect: recorded.calls.map((call) => call.hijack_effect === true),
      injected_leaf: Object.fromEntries(recorded.calls.map((call, index) => [index, injectedLeaves(call)])),
    },
  };
}

/** The paths of arguments whose value was in injected text, even if it was elsewhere too. */
const injectedLeaves = ({ src }: RecordedCall): ReadonlySet<string> =>
  new Set(Object.entries(src ?? {}).flatMap(([path, from]) => (from.some((one) => String(one).startsWith('i')) ? [path] : [])));

/**
 * Results were clipped when they were recorded. The record still says which later arguments were in the part that was cut off, so these
 * are added again as free text, whether they were injected or not. The broker would see the complete result.
 */
function unseenOf(calls: readonly RecordedCall[], asFields: boolean) {
  const unseen = new Map<number, string[]>();
  const fields = new Map<number, Json[]>();
  for (const call of calls) {
    for (const leaf of leavesOf(call.args).leaves) {
      for (const source of call.src?.[leaf.path] ?? []) {
        const index = Number(String(source).replace(/^i/, ''));
        const result = calls[index]?.result;
        if (!Number.isInteger(index) || result === undefined || result.length >= (calls[index]?.res_len ?? 0)) continue;
        const text = String(leaf.value);
        if (result.includes(text)) continue;
        if (asFields && typeof source === 'number') fields.set(index, [...(fields.get(index) ?? []), { [leaf.name]: leaf.value }]);
        else unseen.set(index, [...(unseen.get(index) ?? []), text]);
      }
    }
  }
  return { unseen, fields };
}

/**
 * Parses a tool's result. Recordings print records as YAML or as Python literals, while the broker gets them as JSON. A text is parsed
 * only if it begins as a list of records or as a literal, so that prose with colons stays prose.
 */
export function jsonOf(text: string): Json {
  const body = text.endsWith('…') ? text.slice(0, -1) : text;
  if (!/^(?:- [a-z_]+:|[[{]|[a-z_]+:.*\n[a-z_]+:)/.test(body)) return body;
  try {
    const value = parseDocument(body, { strict: false, logLevel: 'silent', schema: 'failsafe' }).toJS({ maxAliasCount: 0 }) as Json;
    return typeof value === 'object' && value !== null ? value : body;
  } catch {
    return body;
  }
}
