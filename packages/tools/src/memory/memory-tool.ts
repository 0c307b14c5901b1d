/**
 * A verb of a memory as a tool: it finds the space that a call is about, tells the store of the caller, and labels the answer. Each verb
 * names what it touches by one argument, so that a grant narrows all verbs of a memory by the same predicate; those that give several entries give
 * only such as it holds for.
 */
import * as z from 'zod';
import { segments } from '@corral/policy/capability/predicate';
import { CorralError } from '@corral/protocol/errors';
import { MEMORY_NAME_CHARS, MEMORY_TTL_MS } from '@corral/protocol/limits-memory';
import type { Kept } from '@corral/protocol/model/label';
import { checkedOf, contractOf, detailOf, type Contract } from '@corral/protocol/ports/contract';
import type { MemoryCaller, MemoryKind, MemoryStore, SpaceBounds, SpaceName } from '@corral/protocol/ports/memory';
import type { FailureCode, Tool, ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import { notStarted } from '../host/keeper.ts';

/** The argument that names what a verb touches. */
const NAMED_BY = { kv: 'key', files: 'path', memory: 'about' } as const satisfies Record<MemoryKind, string>;

/** By which owner the entries of a memory are kept apart. */
export const SCOPES = ['agent', 'person', 'tenant'] as const;

export interface MemoryOptions {
  /** Without a prefix: `notes`. */
  readonly name: string;
  readonly kind: MemoryKind;
  readonly scope: (typeof SCOPES)[number];
  /** Names whose private data all runs may read again; `*`: all. */
  readonly shares: readonly string[];
  /** Whether what is read counts as a stranger's, besides the label that it was kept with. */
  readonly returns: 'trusted' | 'untrusted';
  readonly private_to?: string | undefined;
  /** Longest time until an entry expires, and that of one without a time of its own. */
  readonly ttl_ms?: number | undefined;
  readonly value_bytes: number;
}

export interface MemoryPowers {
  /** Undefined while no data folder is open. */
  readonly store: () => MemoryStore | undefined;
  readonly bounds: (tenant: string) => SpaceBounds;
  /** Roles under which a person may read private data. */
  readonly roles: (tenant: string, person: string) => readonly string[];
}

interface Verb<Input extends z.ZodType> {
  readonly verb: string;
  readonly description: string;
  readonly input: Input;
  readonly output: z.ZodType;
  /** Its effect: nothing, something, or something that cannot be undone. */
  readonly effect: 'reads' | 'adds' | 'replaces';
  /** The argument that is a path, which is normalised before grants and policies look at it, and whether it may name all. */
  readonly path?: { readonly argument: string; readonly all: boolean };
  readonly run: (input: z.output<Input>, at: MemoryAsk) => Promise<Answer>;
}

/** The surroundings of a call. */
interface MemoryAsk {
  readonly store: MemoryStore;
  readonly space: SpaceName;
  readonly caller: MemoryCaller;
  readonly bounds: SpaceBounds;
  /** The time until an entry expires, for one that asks for this. */
  readonly ttl: (asked: number | undefined) => number | undefined;
}

interface Answer {
  readonly value: unknown;
  readonly kept?: Kept | undefined;
}

/** Characters that a name may not have: they show nothing, or come after all others. */
const UNNAMED = /[\p{Cc}\u{10ffff}]/u;

const isName = (text: string): boolean => !UNNAMED.test(text) && text.isWellFormed();

/** A key, path or topic. */
export const named = (about: string) =>
  z.string().max(MEMORY_NAME_CHARS).refine(isName, 'has characters that a name may not have').describe(about);
export const version = z.int().min(0);
/** Members of an entry in reads and lists, besides its name. */
export const ENTRY = {
  version,
  bytes: z.int(),
  at: z.int().describe('when it was written, in milliseconds since 1970'),
  expires_at: z.int().optional(),
};
/** The answer to a write. */
export const Written = z.object({
  done: z.boolean().describe('false: nothing was changed, since the version did not fit or there was none'),
  version: version.describe('that of the entry now; 0: there is none'),
});
export const ttl_ms = z.int().min(1).max(MEMORY_TTL_MS).optional().describe('it expires after this time; left out: as the host says');
export const limit = (most: number, usual: number) => z.int().min(1).max(most).default(usual);

export function memoryTool<Input extends z.ZodType>(options: MemoryOptions, powers: MemoryPowers, verb: Verb<Input>): Tool {
  const name = `${options.name}.${verb.verb}`;
  const reads = verb.effect === 'reads';
  return {
    name,
    description: verb.description,
    input: verb.path === undefined ? contractOf(verb.input) : pathContract(verb.input, verb.path),
    output: contractOf(verb.output, 'output'),
    annotations: {
      readOnly: reads,
      idempotent: true,
      destructive: verb.effect === 'replaces',
      openWorld: false,
      repeatable: false,
      returns: reads ? options.returns : 'trusted',
      resource: `${options.kind}:${options.name}`,
      ...(reads && options.private_to !== undefined ? { private_to: options.private_to } : {}),
    },
    keeps: true,
    server: `${options.kind}:${options.name}`,
    async invoke(call) {
      const store = powers.store();
      if (store === undefined) return notStarted(name, 'no data folder is open');
      try {
        const { value, kept } = await verb.run(call.input as z.output<Input>, askOf(options, powers, store, call));
        return { kind: 'ok', value, ...(kept === undefined || kept.by.length === 0 ? {} : { kept }) };
      } catch (error) {
        return failureOf(name, error);
      }
    },
  };
}

function askOf(
  { name, kind, scope, shares, ttl_ms: most }: MemoryOptions,
  powers: MemoryPowers,
  store: MemoryStore,
  call: ToolCall,
): MemoryAsk {
  const { tenant, run, agent, person, label, idempotency_key, answered_below, keeps_for = call, narrowed = [] } = call;
  const within = narrowed.filter(({ argument }) => argument === NAMED_BY[kind]).map(({ predicate }) => predicate);
  const owner = scope === 'tenant' ? 'tenant' : `${scope}:${keeps_for[scope]}`;
  const caller: MemoryCaller = {
    run,
    call: Number(idempotency_key.slice(idempotency_key.lastIndexOf(':') + 1)),
    agent,
    person,
    names: [person, ...powers.roles(tenant, person), ...shares],
    ...(within.length === 0 ? {} : { within }),
    ...(label === undefined ? {} : { label }),
    ...(answered_below === undefined ? {} : { answered_below }),
  };
  return {
    store,
    space: { tenant, memory: name, kind, owner },
    caller,
    bounds: powers.bounds(tenant),
    ttl: (asked) => (asked === undefined ? most : Math.min(asked, most ?? asked)),
  };
}

/** A path with `.` and `..` resolved, so that predicates and policies see the one that is used. */
function pathContract(input: z.ZodType, { argument, all }: { readonly argument: string; readonly all: boolean }): Contract {
  const contract = contractOf(input);
  return {
    get schema() {
      return contract.schema;
    },
    mayHang: false,
    check(value) {
      const parsed = checkedOf(input.safeParse(value));
      if (!parsed.ok) return parsed;
      const given = parsed.value as Record<string, unknown>;
      const steps = segments(String(given[argument]));
      if (steps === undefined) return { ok: false, where: argument, message: 'is absolute, or leads out of the memory' };
      if (steps.length === 0 && !all) return { ok: false, where: argument, message: 'names nothing' };
      return { ok: true, value: { ...given, [argument]: steps.join('/') } };
    },
  };
}

const OWN: ReadonlySet<string> = new Set<FailureCode>(['CORRAL_MEMORY_FULL', 'CORRAL_MEMORY_PRIVATE', 'CORRAL_MEMORY_UNAVAILABLE']);

/** No write that fails has written anything, so it may be made again. */
function failureOf(name: string, error: unknown): ToolResult {
  if (error instanceof CorralError && OWN.has(error.code)) {
    const { code, message, retryable } = error;
    return { kind: 'failed', code: code as FailureCode, message: `${name}: ${message}`, ...(retryable ? { retryable } : {}) };
  }
  return {
    kind: 'failed',
    code: 'CORRAL_MEMORY_UNAVAILABLE',
    message: `${name} cannot be used now.`,
    retryable: true,
    detail: detailOf(error),
  };
}
