/** Secrets in a configuration (`secrets`): where each value is, and whose it is. */
import * as z from 'zod';
import { AgentName, PERSON, PERSON_HINT, PRINCIPAL_CHARS, TenantId } from '@corral/protocol/ids';

const most = 256;
/** The callers that it is for: each list that is there has to have one that fits. */
export const Bound = z
  .strictObject({
    tenants: z.array(TenantId).min(1).max(most).exactOptional(),
    agents: z
      .array(AgentName)
      .min(1)
      .max(most)
      .exactOptional()
      .describe('agents, and those whose names go on below: `sales` is `sales/reader` too'),
    roles: z.array(z.string().min(1).max(100)).min(1).max(most).exactOptional().describe('roles of `policies.roles`, of the person'),
    people: z
      .array(z.string().max(PRINCIPAL_CHARS).regex(PERSON, PERSON_HINT))
      .min(1)
      .max(most)
      .exactOptional()
      .describe('people for whom agents act: those who submitted the run, or the first of its ancestors'),
  })
  .refine((bound) => Object.keys(bound).length > 0, 'names nobody');
export type Bound = z.output<typeof Bound>;

const more = {
  for: Bound.exactOptional().describe(
    'whose it is: another caller does not get it. Left out: the tools of this configuration read it for every caller',
  ),
  expires: z.union([z.iso.date(), z.iso.datetime()]).exactOptional().describe('it is not given out from then on'),
};
const ByVariable = z.strictObject({ env: z.string().min(1).max(200).describe('name of an environment variable'), ...more });
const ByFile = z.strictObject({
  file: z.string().min(1).max(4096).describe('path of a file; white space at its end is left out'),
  ...more,
});
export type SecretRef = z.output<typeof ByVariable> | z.output<typeof ByFile>;

/** One value, or several accounts under one name. */
export const SecretConfig = z.union([
  ByVariable,
  ByFile,
  z
    .array(z.union([ByVariable, ByFile]))
    .min(1)
    .max(most)
    .describe('several accounts under one name: the first that is for the caller, else one that is for nobody in particular'),
]);
export type SecretConfig = z.output<typeof SecretConfig>;
export type SecretsConfig = Readonly<Record<string, SecretConfig>>;

export const refsOf = (said: SecretConfig): readonly SecretRef[] => (Array.isArray(said) ? said : [said]);
/** Names an account in lists and acts: it stays the same when its value changes. */
export const accountOf = (name: string, ref: SecretRef): string => `${name}:${'env' in ref ? `env:${ref.env}` : `file:${ref.file}`}`;
