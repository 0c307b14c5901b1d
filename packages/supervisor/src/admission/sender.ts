/**
 * The agent by which people write to a service. The host runs it under the person's name, and it makes a single call, so that policies,
 * budgets, approvals, evidence and idempotency apply to people as they do to agents.
 */
import { CorralError } from '@corral/protocol/errors';
import type { AgentName } from '@corral/protocol/ids';
import type { AgentManifest } from '@corral/protocol/model/manifest';

/** @throws CORRAL_AGENT_UNKNOWN if the name of the service is too long to derive the sender's name from it */
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
