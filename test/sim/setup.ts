/** Configurations of the hosts of a simulated world, at their start and while they run: the tools and policies of each tenant. */
import { policiesFor, type RuleSet } from './rules.ts';
import type { Dice } from './dice.ts';
import { TOOL_KINDS, type ToolKind } from './powers.ts';
import { EAGER } from './temper.ts';
import type { SupervisorOptions } from '@corral/supervisor/supervisor';
import type { Tool } from '@corral/protocol/ports/tool';

export const TENANTS = ['red', 'blue'] as const;

export interface Setup {
  readonly rules: RuleSet;
  /** Tools that a tenant does not have. */
  readonly missing: Readonly<Record<string, ReadonlySet<string>>>;
}

export const WHOLE: Setup = { rules: 'usual', missing: {} };

/** Draws a configuration for a new host, or for a running one. */
export function setupFrom(dice: Dice): Setup {
  const missing: Record<string, ReadonlySet<ToolKind>> = {};
  for (const tenant of TENANTS) if (dice.chance(0.3)) missing[tenant] = new Set([dice.pick(TOOL_KINDS)]);
  return { rules: dice.chance(0.5) ? 'strict' : 'usual', missing };
}

/**
 * @param watched whether tenant blue has detectors
 * @param money the maximum that a tenant may pay in a day, in millionths; undefined: no limit
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

/** The configurations over time, to check decisions against. */
export class Setups {
  readonly #all: { readonly from: number; readonly setup: Setup }[] = [];
  /** Those of hosts that have begun to start, each with the time at which it had started. */
  readonly #starting: { readonly setup: Setup; readonly isAlive: () => boolean; until: number }[] = [];

  /** How far the clocks of hosts may be from that of the world. */
  apart_ms = 0;

  /** @param from milliseconds since 1970 */
  put(from: number, setup: Setup): void {
    this.#all.push({ from, setup });
  }

  /**
   * A host starts with a configuration. It may go on with runs before it has started, and gets another configuration only then.
   * @returns called with the time at which it has started
   */
  starting(setup: Setup, isAlive: () => boolean): (now: number) => void {
    const one = { setup, isAlive, until: Number.POSITIVE_INFINITY };
    this.#starting.push(one);
    return (now) => (one.until = now);
  }

  get now(): Setup {
    return this.#all.at(-1)?.setup ?? WHOLE;
  }

  /** The configurations that may have been in force at a time, which is known to the millisecond by the clock of a host. */
  at(at: number): readonly Setup[] {
    return this.between(at - this.apart_ms, at + this.apart_ms);
  }

  /** All that were in force at some time of these. */
  between(one: number, other: number): readonly Setup[] {
    const first = this.#all.findLastIndex(({ from }) => from < one - 1);
    const late = this.#starting.filter(({ isAlive, until }) => isAlive() && until >= one - 1);
    return [...this.#all.slice(Math.max(0, first)).filter(({ from }) => from <= other + 1), ...late].map(({ setup }) => setup);
  }

  wasMissingAny(tenant: string): boolean {
    return this.#all.some(({ setup }) => (setup.missing[tenant]?.size ?? 0) > 0);
  }

  /** Whether a tenant was ever without this tool. */
  wasMissing(tenant: string, tool: string): boolean {
    return this.#all.some(({ setup }) => setup.missing[tenant]?.has(tool) === true);
  }
}
