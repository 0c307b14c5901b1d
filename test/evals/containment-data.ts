/**
 * Recorded runs as the containment evaluation needs them: traces with their suites' tools, results as JSON again.
 * The truth about attacks (`injected`, `hijack*`, the `i` of `src`) is kept apart from what the decision may see.
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
}

/** One call as the bus sees it. */
export interface Call {
  readonly index: number;
  readonly step: number;
  readonly tool: string;
  readonly args: Json;
  readonly result: Json;
  /** Of the part of the result that the recording cut off: texts that are known to have stood there. */
  readonly unseen: string;
  readonly failed: boolean;
}

/** One recorded run. `truth` is for scoring alone. */
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
    /** Of each call: whether it is an effect of the attacker's. */
    readonly hijack_effect: readonly boolean[];
    /** By number of a call: paths of its arguments that stood in injected text. */
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

/** Reads every trace of an agent with tools of a known suite in a folder. Traces of other kinds are passed over. */
export function load(folder: string): Trace[] {
  const known = [join(folderOf(folder), 'suites.json'), join(folder, 'suites.json')].find((file) => existsSync(file));
  if (known === undefined) throw new Error(`${folder} has no suites.json, which says what the tools of each suite do.`);
  const suites = JSON.parse(readFileSync(known, 'utf8')) as Suites;
  const traces: Trace[] = [];
  for (const recorded of rows<RecordedTrace>(folder, /./)) {
    const tools = toolsOf(suites, recorded);
    if (tools !== undefined && typeof recorded.prompt === 'string' && 'injected' in recorded) traces.push(traceOf(recorded, tools));
  }
  return traces;
}

/** A suite's tools in the trace's version, and those of other versions under names that this one has not. */
function toolsOf(suites: Suites, trace: RecordedTrace): ReadonlyMap<string, SuiteTool> | undefined {
  const versions = [suites[trace.bench_version], ...Object.values(suites)];
  const tools = new Map<string, SuiteTool>();
  for (const version of versions)
    for (const tool of version?.[trace.suite]?.tools ?? []) if (!tools.has(tool.name)) tools.set(tool.name, tool);
  return tools.size === 0 ? undefined : tools;
}

function traceOf(recorded: RecordedTrace, tools: ReadonlyMap<string, SuiteTool>): Trace {
  const unseen = unseenOf(recorded.calls);
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

/** Attackers' values that the recording does not trace to injected text alone are looked for in what stood there and elsewhere. */
const injectedLeaves = ({ src }: RecordedCall): ReadonlySet<string> =>
  new Set(Object.entries(src ?? {}).flatMap(([path, from]) => (from.some((one) => String(one).startsWith('i')) ? [path] : [])));

/**
 * Results were clipped when they were recorded. Of what was cut off the record still says which later arguments stood in it,
 * and so these are put back, as free text of no field; whether it was the injected part is not looked at. The bus sees it all.
 */
function unseenOf(calls: readonly RecordedCall[]): ReadonlyMap<number, string[]> {
  const unseen = new Map<number, string[]>();
  for (const call of calls) {
    for (const leaf of leavesOf(call.args).leaves) {
      for (const source of call.src?.[leaf.path] ?? []) {
        const index = Number(String(source).replace(/^i/, ''));
        const result = calls[index]?.result;
        if (!Number.isInteger(index) || result === undefined || result.length >= (calls[index]?.res_len ?? 0)) continue;
        const text = String(leaf.value);
        if (result.includes(text)) continue;
        unseen.set(index, [...(unseen.get(index) ?? []), text]);
      }
    }
  }
  return unseen;
}

/**
 * A tool's result as JSON. The recordings print records as YAML or as Python; the bus gets them as they are. A text is taken for
 * records only where it begins as a list of them or as a literal, so that prose with colons in it stays prose.
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
