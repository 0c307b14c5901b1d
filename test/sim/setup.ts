/** How hosts of a simulated world are configured, one after the other and while they live: which tools and policies each tenant has. */
import { policiesFor, type RuleSet } from './rules.ts';
import type { Dice } from './dice.ts';
import { TOOL_KINDS, type ToolKind } from './powers.ts';
import { EAGER } from './temper.ts';
import type { SupervisorOptions } from '@corral/supervisor/supervisor';
import type { Tool } from '@corral/protocol/ports/tool';

export const TENANTS = ['red', 'blue'] as const;

export interface Setup {
  readonly rules: RuleSet;
  /** Tools that a tenant is not offered. */
  readonly missing: Readonly<Record<string, ReadonlySet<string>>>;
}

export const WHOLE: Setup = { rules: 'usual', missing: {} };

/** One of its own for a host, or from now on. */
export function setupFrom(dice: Dice): Setup {
  const missing: Record<string, ReadonlySet<ToolKind>> = {};
  for (const tenant of TENANTS) if (dice.chance(0.3)) missing[tenant] = new Set([dice.pick(TOOL_KINDS)]);
  return { rules: dice.chance(0.5) ? 'strict' : 'usual', missing };
}

/**
 * @param watched whether loops of tenant blue are looked for
 * @param money what a tenant may pay in a day, in millionths; undefined: anything
 */
export function tenantsOf(
  tools: readonly Tool[],
  { rules, missing }: Setup,
  governed: boolean,
  watched: boolean,
  money?: number,
): SupervisorOptions['tenants'] {
  const spend = money === undefined ? {} : { spend: { day: { money_micros: { hard: money } } } };
  const policies = { ...spend, ...(governed ? { policies: { current: policiesFor(tools, rules) } } : {}) };
  const offered = (tenant: string) => tools.filter(({ name }) => missing[tenant]?.has(name) !== true);
  return {
    red: { tools: offered('red'), ...policies, ...(governed ? { loops: { ladder: EAGER, slow_ms: 50 } } : {}) },
    blue: { tools: offered('blue'), ...policies, ...(governed ? { loops: watched ? {} : (false as const) } : {}) },
  };
}

/** What was in force when, to hold decisions against. */
export class Setups {
  readonly #all: { readonly from: number; readonly setup: Setup }[] = [];

  /** @param from milliseconds since 1970 */
  put(from: number, setup: Setup): void {
    this.#all.push({ from, setup });
  }

  get now(): Setup {
    return this.#all.at(-1)?.setup ?? WHOLE;
  }

  /** All that were in force at a time, which is known to the millisecond. */
  at(at: number): readonly Setup[] {
    const first = this.#all.findLastIndex(({ from }) => from < at - 1);
    return this.#all.slice(Math.max(0, first)).flatMap(({ from, setup }) => (from <= at + 1 ? [setup] : []));
  }

  wasMissingAny(tenant: string): boolean {
    return this.#all.some(({ setup }) => (setup.missing[tenant]?.size ?? 0) > 0);
  }

  /** Whether a tool was ever kept from a tenant. */
  wasMissing(tenant: string, tool: string): boolean {
    return this.#all.some(({ setup }) => setup.missing[tenant]?.has(tool) === true);
  }
}
