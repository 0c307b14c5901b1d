/** Policies for a host embedded in this process: the default pack or a file, loaded as a server loads them. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { split, type PolicySource } from '@corral/policy/cedar/source';
import { CorralError } from '@corral/protocol/errors';
import type { Tool } from '@corral/protocol/ports/tool';

const PACK = fileURLToPath(import.meta.resolve('@corral/policy/pack/default.cedar'));

/**
 * The default pack.
 * @param leaving ids of rules to leave out. @throws CORRAL_POLICY_INVALID if a rule of that id does not exist
 */
export async function defaultPack(leaving: readonly string[] = []): Promise<PolicySource> {
  const whole = { file: basename(PACK), text: await readFile(PACK, 'utf8') };
  if (leaving.length === 0) return whole;
  const rules = split(whole);
  const isOf = (id: string) => (rule: { readonly text: string }) => rule.text.startsWith(`@id("${id}")`);
  const missing = leaving.find((id) => !rules.some(isOf(id)));
  if (missing !== undefined) throw new CorralError('CORRAL_POLICY_INVALID', `The default pack has no rule ${missing}.`);
  return {
    file: whole.file,
    text: rules
      .filter((rule) => !leaving.some((id) => isOf(id)(rule)))
      .map(({ text }) => text)
      .join('\n'),
  };
}

/** `default`, or the path of a file. @throws CORRAL_USAGE if the file cannot be read */
export async function policySource(named: string): Promise<PolicySource> {
  if (named === 'default') return defaultPack();
  try {
    return { file: named, text: await readFile(named, 'utf8') };
  } catch (error) {
    throw new CorralError('CORRAL_USAGE', `--policy names no file that can be read: ${named}`, { cause: error });
  }
}

/** Loads the engine on demand, so that commands without policies do not wait for it. @throws CORRAL_POLICY_INVALID */
export async function loadPolicies(tools: readonly Tool[], sources: readonly PolicySource[]): Promise<PolicyInForce> {
  const server = await import('@corral/server/config/policies');
  return server.loadPolicies(sources, tools);
}
