/**
 * Policies of a configuration: reads their files, checks them against the tools they name, and loads them with Cedar's engine.
 */
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catalog, type Catalog } from '@corral/policy/cedar/catalog';
import type { CedarEngine } from '@corral/policy/cedar/engine';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import { riskPolicies, type Risk } from '@corral/policy/pack/risk';
import type { PolicySource as PolicyFile } from '@corral/policy/cedar/source';
import { CorralError } from '@corral/protocol/errors';
import { modelIn } from '@corral/protocol/ids';
import type { Inspector } from '@corral/protocol/ports/inspector';
import type { Tool } from '@corral/protocol/ports/tool';
import type { PolicySource } from '@corral/supervisor';
import type { Policies } from './schema.ts';

export const engine: CedarEngine = cedar;
/** Called with a sentence when Cedar's engine and the compiled policies disagree. */
export type PolicyAlarm = (message: string) => void;

const digest = (text: string) => `sha256:${hash('sha256', text)}`;

/** The names that policies can use where these tools are offered. */
export function catalogOf(tools: readonly Tool[], inspectors: readonly Inspector[] = []): Catalog {
  return catalog({
    inspectors,
    targets: tools.map(({ name, annotations, input, maker }) => {
      const model = modelIn(name);
      return {
        ...(model === undefined ? { kind: 'tool' as const, name } : { kind: 'model' as const, name: model }),
        annotations,
        input: input.schema,
        ...(maker === undefined ? {} : { maker }),
      };
    }),
  });
}

/**
 * @param names relative to `base`; `default` is the pack that comes with Corral
 * @param kept texts by path, used instead of the files on disk
 * @throws CORRAL_CONFIG_INVALID for a file that cannot be read
 */
export async function readPolicies(
  names: readonly string[],
  base: string,
  kept: Readonly<Record<string, string>> = {},
): Promise<readonly PolicyFile[]> {
  return Promise.all(
    names.map(async (name) => {
      const path = name === 'default' ? fileURLToPath(import.meta.resolve('@corral/policy/pack/default.cedar')) : resolve(base, name);
      try {
        return { file: name === 'default' ? 'default.cedar' : name, text: kept[path] ?? (await readFile(path, 'utf8')) };
      } catch {
        throw new CorralError('CORRAL_CONFIG_INVALID', `policies: the file ${name} does not exist or cannot be read.`);
      }
    }),
  );
}

/** The files that hold the policies in force; none where grants alone decide. */
export const filesOf = (said: Policies): readonly string[] => (said === 'none' ? [] : whole(said).files);

/** @throws CORRAL_POLICY_INVALID, naming each fault with its file and line */
export function loadPolicies(
  files: readonly PolicyFile[],
  tools: readonly Tool[],
  { alarm, inspectors }: { readonly alarm?: PolicyAlarm | undefined; readonly inspectors?: readonly Inspector[] | undefined } = {},
): PolicyInForce {
  return PolicyInForce.load({
    engine,
    catalog: catalogOf(tools, inspectors),
    sources: files,
    digest,
    later: (work) => void setImmediate(work),
    ...(alarm === undefined
      ? {}
      : {
          alarm: ({ request }) =>
            alarm(
              `the policies' closures and Cedar's engine disagree about a call of ${request.subject.agent}; the engine decides from now on`,
            ),
        }),
  });
}

const PLAIN = { roles: {}, owners: {}, shadow: undefined } as const;
type Whole = Exclude<Policies, string | readonly string[]>;

function whole(said: Exclude<Policies, 'none'>): Whole | (Omit<Whole, 'shadow'> & { readonly shadow: undefined }) {
  if (said === 'default') return { ...PLAIN, files: ['default'] };
  return Array.isArray(said) ? { ...PLAIN, files: said } : said;
}

/** Roles of people and owners of agents, as a configuration states them. */
export function peopleOf(said: Policies): Required<Pick<PolicySource, 'roles' | 'isNamed'>> & Pick<PolicySource, 'owner'> {
  const { roles, owners } = said === 'none' ? PLAIN : whole(said);
  const byPerson = new Map<string, readonly string[]>(Object.entries(roles));
  const named = new Set(Object.values(roles).flat());
  return {
    roles: (principal) => byPerson.get(principal) ?? [],
    owner: Object.keys(owners).length === 0 ? undefined : ownerIn(new Map(Object.entries(owners))),
    isNamed: (role) => named.has(role),
  };
}

/**
 * An agent below a named one has the same owner, unless it is named itself: `purchasing/reader` has the owner of `purchasing`.
 */
function ownerIn(owners: ReadonlyMap<string, string>) {
  return (agent: string): string | undefined => {
    for (let name = agent; ; name = name.slice(0, name.lastIndexOf('/'))) {
      const owner = owners.get(name);
      if (owner !== undefined || !name.includes('/')) return owner;
    }
  };
}

/** Principals as the text of a policy quotes them. */
const PRINCIPALS = /(?<=")(?:token|user|oidc):[^"\\]+(?=")/g;

export interface PolicyLoaderOptions {
  readonly alarm: PolicyAlarm | undefined;
  /** Texts by path, used instead of the files on disk. */
  readonly kept?: Readonly<Record<string, string>> | undefined;
  readonly inspectors?: readonly Inspector[];
  /** Rules of the default pack about the inspectors. */
  readonly rules?: PolicyFile | undefined;
}

/** Loads policies that several tenants share once. */
export class PolicyLoader {
  readonly #base: string;
  readonly #alarm: PolicyAlarm | undefined;
  /** Principals that the texts of the policies name. */
  readonly named = new Set<string>();
  readonly #loaded: { readonly key: string; readonly tools: readonly Tool[]; readonly current: PolicyInForce }[] = [];

  /** Texts it has read, by path, without the pack that comes with Corral. */
  readonly texts: Record<string, string> = {};
  readonly #kept: Readonly<Record<string, string>>;
  readonly #inspectors: readonly Inspector[];
  readonly #rules: PolicyFile | undefined;

  constructor(base: string, { alarm, kept = {}, inspectors = [], rules }: PolicyLoaderOptions) {
    this.#base = base;
    this.#alarm = alarm;
    this.#kept = kept;
    this.#inspectors = inspectors;
    this.#rules = rules;
  }

  /**
   * @param risk thresholds that hold besides the policies, and besides a candidate
   * @throws CORRAL_CONFIG_INVALID, CORRAL_POLICY_INVALID
   */
  async load(said: Policies, risk: Risk | undefined, tools: readonly Tool[], tenant: string): Promise<PolicySource | undefined> {
    if (said === 'none') {
      if (risk === undefined) return undefined;
      return { current: await this.#load([], [riskPolicies(risk, true)], tools, tenant), ...peopleOf(said) };
    }
    const { files, shadow, roles, owners } = whole(said);
    for (const name of [...Object.keys(roles), ...Object.values(owners)]) this.named.add(name);
    const more = risk === undefined ? [] : [riskPolicies(risk, false)];
    const current = await this.#load(files, more, tools, tenant);
    return {
      current,
      ...peopleOf(said),
      ...(shadow === undefined ? {} : { shadow: await this.#load(shadow, more, tools, tenant) }),
    };
  }

  async #load(files: readonly string[], more: readonly PolicyFile[], tools: readonly Tool[], tenant: string): Promise<PolicyInForce> {
    const key = JSON.stringify([files, more]);
    const same = (other: readonly Tool[]) => other.length === tools.length && other.every((tool, i) => tool === tools[i]);
    const before = this.#loaded.find((one) => one.key === key && same(one.tools));
    if (before !== undefined) return before.current;
    const sources = await readPolicies(files, this.#base, this.#kept);
    for (const [i, { text }] of sources.entries()) if (files[i] !== 'default') this.texts[resolve(this.#base, files[i] as string)] = text;
    for (const { text } of sources) for (const [name] of text.matchAll(PRINCIPALS)) this.named.add(name);
    try {
      const rules = this.#rules !== undefined && files.includes('default') ? [this.#rules] : [];
      const current = loadPolicies([...sources, ...rules, ...more], tools, { alarm: this.#alarm, inspectors: this.#inspectors });
      this.#loaded.push({ key, tools, current });
      return current;
    } catch (error) {
      if (!(error instanceof CorralError)) throw error;
      throw new CorralError(error.code, `The policies of tenant ${tenant} were refused:\n${error.message}`, { cause: error });
    }
  }
}
