/**
 * How people write to a service: an agent of the host's own with one call in it runs for them, so that what holds for agents
 * (policies, budgets, approvals, evidence, idempotency) holds for people, under their own names.
 */
import { CorralError } from '@corral/protocol/errors';
import type { AgentName } from '@corral/protocol/ids';
import type { AgentManifest } from '@corral/protocol/model/manifest';

/** @throws CORRAL_AGENT_UNKNOWN where no agent can have such a name */
export function senderOf(service: AgentName): { readonly source: string; readonly manifest: AgentManifest } {
  const name = `send/${service}` as AgentName;
  if (name.length > 100) throw new CorralError('CORRAL_AGENT_UNKNOWN', `The name of the service ${service} is too long to be written to.`);
  const options = `{name:${JSON.stringify(name)},run:({input,caps})=>caps.to(input)}`;
  return {
    source: `var corralBundle={default:{[Symbol.for('corral.agent')]:${options}}};`,
    manifest: {
      name,
      purpose: `Writes to ${service} for a person.`,
      image: 'base',
      uses: { to: `service:${service}` },
      spawns: [],
      input: null,
      output: null,
      ceilings: {},
      budget: {},
      on_unknown: 'wait',
    },
  };
}
