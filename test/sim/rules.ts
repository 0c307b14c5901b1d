/** The policies of a simulated world, and what they must come to, said a second time and apart from them. */
import { createHash } from 'node:crypto';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { catalog } from '@corral/policy/cedar/catalog';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Tool } from '@corral/protocol/tool';

const TEXT = `
@id("free") permit (principal, action, resource);
@id("large") @consequence("approval") forbid (principal, action == Action::"tool:pay", resource) when { context.args.n >= 8 };
@id("larger") @consequence("approval") @quorum("2") forbid (principal, action == Action::"tool:put", resource) when { context.args.n == 9 };
@id("looked-at") @consequence("approval") forbid (principal, action == Action::"tool:read", resource) when { context.args.n == 9 };
@id("never") @consequence("deny") forbid (principal, action == Action::"tool:fetch", resource) when { context.args.n == 9 };
@id("stop") @consequence("pause") forbid (principal, action == Action::"tool:think", resource) when { context.args.n == 9 };
@id("tainted") @consequence("approval") forbid (principal, action == Action::"tool:pay", resource)
when { context.args.n == 7 && context.flow.untrusted_input };
`;

let loaded: PolicyInForce | undefined;

/** One set for all worlds: it remembers nothing. */
export function policiesFor(tools: readonly Tool[]): PolicyInForce {
  loaded ??= PolicyInForce.load({
    engine: cedar,
    catalog: catalog({
      targets: tools.map(({ name, annotations, input }) => ({
        kind: 'tool',
        name,
        annotations,
        input: input.schema,
      })),
    }),
    sources: [{ file: 'sim.cedar', text: TEXT }],
    digest: (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`,
    sample_every: 0,
  });
  return loaded;
}

export interface Ruling {
  readonly verdict: 'allow' | 'deny' | 'ask';
  /** People who must approve. */
  readonly quorum: number;
}
export const ALLOWED: Ruling = { verdict: 'allow', quorum: 0 };

/** @param tainted the run was given something that a stranger may have written */
export function rulingOn(tool: string, n: number, tainted: boolean): Ruling {
  if (tool === 'pay' && (n >= 8 || (n === 7 && tainted))) return { verdict: 'ask', quorum: 1 };
  if (n !== 9) return ALLOWED;
  if (tool === 'put') return { verdict: 'ask', quorum: 2 };
  if (tool === 'read') return { verdict: 'ask', quorum: 1 };
  return tool === 'fetch' || tool === 'think' ? { verdict: 'deny', quorum: 0 } : ALLOWED;
}
