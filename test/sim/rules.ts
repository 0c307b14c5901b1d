/** The policies of a simulated world, and an independent implementation of their verdicts. */
import { createHash } from 'node:crypto';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { catalog } from '@corral/policy/cedar/catalog';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Tool } from '@corral/protocol/ports/tool';

/** A host has one of the two sets; the next host may have the other. */
export type RuleSet = 'usual' | 'strict';

const TEXTS: Readonly<Record<RuleSet, string>> = {
  usual: `
@id("free") permit (principal, action, resource);
@id("large") @consequence("approval") forbid (principal, action == Action::"tool:pay", resource) when { context.args.n >= 8 };
@id("larger") @consequence("approval") @quorum("2") forbid (principal, action == Action::"tool:put", resource) when { context.args.n == 9 };
@id("looked-at") @consequence("approval") forbid (principal, action == Action::"tool:read", resource) when { context.args.n == 9 };
@id("never") @consequence("deny") forbid (principal, action == Action::"tool:fetch", resource) when { context.args.n == 9 };
@id("stop") @consequence("pause") forbid (principal, action == Action::"tool:think", resource) when { context.args.n == 9 };
@id("tainted") @consequence("approval") forbid (principal, action == Action::"tool:pay", resource)
when { context.args.n == 7 && context.flow.untrusted_input };
`,
  strict: `
@id("free") permit (principal, action, resource);
@id("large") @consequence("approval") @quorum("2") forbid (principal, action == Action::"tool:pay", resource) when { context.args.n >= 6 };
@id("never") @consequence("deny") forbid (principal, action == Action::"tool:fetch", resource) when { context.args.n >= 7 };
@id("tainted") @consequence("deny") forbid (principal, action == Action::"tool:put", resource)
when { context.args.n == 3 && context.flow.untrusted_input };
`,
};

const loaded = new Map<RuleSet, PolicyInForce>();
const byVersion = new Map<string, RuleSet>();

/** Loads each set once for all worlds; policies have no state. */
export function policiesFor(tools: readonly Tool[], rules: RuleSet): PolicyInForce {
  const known = loaded.get(rules);
  if (known !== undefined) return known;
  const made = PolicyInForce.load({
    engine: cedar,
    catalog: catalog({
      targets: tools.map(({ name, annotations, input }) => ({
        kind: 'tool',
        name,
        annotations,
        input: input.schema,
      })),
    }),
    sources: [{ file: 'sim.cedar', text: TEXTS[rules] }],
    digest: (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`,
    sample_every: 0,
  });
  loaded.set(rules, made);
  byVersion.set(made.version, rules);
  return made;
}

/** The set with which a decision was made. */
export const rulesOf = (version: string | undefined): RuleSet | undefined => byVersion.get(version ?? '');

export interface Ruling {
  readonly verdict: 'allow' | 'deny' | 'ask';
  /** Number of people who must approve. */
  readonly quorum: number;
}
export const ALLOWED: Ruling = { verdict: 'allow', quorum: 0 };
const DENIED: Ruling = { verdict: 'deny', quorum: 0 };
const asks = (quorum: number): Ruling => ({ verdict: 'ask', quorum });

/** @param tainted whether the run has read something that a stranger may have written */
export function rulingOn(rules: RuleSet, tool: string, n: number, tainted: boolean): Ruling {
  if (rules === 'strict') {
    if (tool === 'pay') return n >= 6 ? asks(2) : ALLOWED;
    if (tool === 'fetch') return n >= 7 ? DENIED : ALLOWED;
    return tool === 'put' && n === 3 && tainted ? DENIED : ALLOWED;
  }
  if (tool === 'pay' && (n >= 8 || (n === 7 && tainted))) return asks(1);
  if (n !== 9) return ALLOWED;
  if (tool === 'put') return asks(2);
  if (tool === 'read') return asks(1);
  return tool === 'fetch' || tool === 'think' ? DENIED : ALLOWED;
}
