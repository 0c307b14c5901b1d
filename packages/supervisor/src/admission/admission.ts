/** Checks bundles and jobs as a whole, before anything of them is stored (ARCHITECTURE.md, "The path of one job"). */
import { createHash } from 'node:crypto';
import { refuseLargeBundle } from '@corral/protocol/model/bundle-size';
import { CorralError } from '@corral/protocol/errors';
import type { Grant } from '@corral/protocol/model/grant';
import type { Identity } from '@corral/protocol/model/identity';
import { newId, sourceIn, targetIn, type Digest, type PrincipalId, type RunId, type TenantId } from '@corral/protocol/ids';
import { canonical, isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import { didYouMean } from '@corral/protocol/nearest';
import { ADMISSION, DEFAULT_BUDGET, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import {
  AgentManifest,
  Budget,
  CeilingsRequest,
  type AgentVersion,
  type Bundle,
  type CapabilityRequest,
} from '@corral/protocol/model/manifest';
import type { Random } from '@corral/protocol/ports/machine';
import type { RunHeader, RunRecord } from '@corral/protocol/model/run';
import type { Tool } from '@corral/protocol/ports/tool';
import { LONGEST_MANIFEST } from '../cells/wire.ts';
import { isBelow } from '../governance/judged.ts';
import { checkNarrowings, narrowed, type Narrowings } from './narrowed.ts';

export interface Job {
  readonly tenant: TenantId;
  readonly version: AgentVersion;
  readonly input: unknown;
  readonly principal: PrincipalId;
  /** The person or token behind `principal`, if the front door knows more than the name. */
  readonly who?: Identity | undefined;
  readonly ceilings?: CeilingsRequest;
  readonly budget?: Budget;
  /** Narrows the agent's capabilities, by alias. Terms can only take authority away. */
  readonly grants?: Narrowings;
  /**
   * Whether the submitter gave less than the agent asks for. Default: derived from the amounts, which the host's own maximum may have
   * lowered too.
   */
  readonly narrowed?: boolean;
  /** See `RunRecord`. */
  readonly trace?: string | undefined;
  /** Chosen by a caller that needs the id in advance, to submit the same job only once. Default: a new id. */
  readonly id?: RunId;
}

/** SHA-256 of a text in UTF-8, as `sha256:` and hex. */
export function digestOf(text: string): Digest {
  return `sha256:${createHash('sha256').update(text).digest('hex')}` as Digest;
}

/**
 * Checks the manifests of a bundle, as its isolate described them.
 * @param names of the tools, for suggestions
 * @throws CORRAL_MANIFEST_INVALID, CORRAL_SCHEMA_INVALID, CORRAL_CAP_UNKNOWN, CORRAL_BUNDLE_TOO_LARGE
 */
export function checkBundle(
  source: string,
  described: unknown,
  tools: (name: string) => Tool | undefined,
  names: () => readonly string[] = () => [],
): Bundle {
  refuseLargeBundle(Buffer.byteLength(source));
  if (!Array.isArray(described) || described.length === 0)
    throw new CorralError('CORRAL_MANIFEST_INVALID', 'The bundle describes no agent.');
  if (described.length > ADMISSION.agents_per_bundle.default) {
    throw new CorralError(
      'CORRAL_MANIFEST_INVALID',
      `The bundle defines ${described.length} agents; at most ${ADMISSION.agents_per_bundle.default} are accepted.`,
    );
  }
  // Recursive code below (serialization, the schema) relies on the bounded depth.
  if (isDeeperThan(described, JSON_MAX_DEPTH))
    throw new CorralError('CORRAL_SCHEMA_INVALID', `A manifest nests deeper than ${JSON_MAX_DEPTH} levels.`);
  const agents = described.map((one) => {
    const size = JSON.stringify(one).length;
    if (size > LONGEST_MANIFEST)
      throw new CorralError('CORRAL_MANIFEST_INVALID', `A manifest has ${size} bytes; at most ${LONGEST_MANIFEST} are accepted.`);
    const parsed = AgentManifest.safeParse(one);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    const path = issue?.path.join('.') ?? '';
    const name = typeof one === 'object' && one !== null && 'name' in one ? String(one.name).slice(0, 100) : 'an agent';
    const isSchema = path === 'input' || path === 'output' || path.startsWith('service.');
    throw new CorralError(
      isSchema ? 'CORRAL_SCHEMA_INVALID' : 'CORRAL_MANIFEST_INVALID',
      `The ${isSchema ? `${path} schema` : 'manifest'} of ${name} was refused: ${isSchema ? 'it ' : path === '' ? '' : `${path.slice(0, 200)}: `}${(issue?.message ?? 'is invalid').slice(0, 500)}.`,
    );
  });
  const own = new Set(agents.flatMap(({ name, service }) => (service === undefined ? [] : [`service:${name}`])));
  for (const { name, uses, service } of agents) {
    for (const [alias, request] of Object.entries(uses)) {
      const target = targetOf(request);
      if (target === undefined) {
        // An instance of a service has no parent, so nothing could ever give it a mailbox. For others the spawn gives it.
        if (service === undefined) continue;
        throw new CorralError('CORRAL_MANIFEST_INVALID', `${name} uses ${alias} as a mailbox, which nobody can give to a service.`);
      }
      if (own.has(target) || tools(target) !== undefined) continue;
      const hint = request.startsWith('service:')
        ? ', which no bundle of this tenant defines; deploy the service first'
        : ', which this host does not offer';
      throw new CorralError('CORRAL_CAP_UNKNOWN', `${name} uses ${alias} as ${request}${hint}.${didYouMean(target, names())}`);
    }
  }
  return { source, agents };
}

/** Target of a capability request, as grants name it; undefined for a mailbox. */
function targetOf(request: CapabilityRequest): string | undefined {
  return request === 'mailbox' ? undefined : targetIn(request);
}

/** Versions of a bundle's agents. Each is a content address of code and manifest together. */
export function versionsOf(bundle: Bundle): { readonly digest: Digest; readonly versions: AgentVersion[] } {
  // The digest covers the manifests too: the same source with other manifests is another bundle, so runs of this one do not change.
  const digest = digestOf(`${canonical(bundle.agents)}\n${bundle.source}`);
  return {
    digest,
    versions: bundle.agents.map((manifest) => ({ version: digestOf(`${digest}\n${canonical(manifest)}`), bundle: digest, manifest })),
  };
}

/** Where the tools are that a run is admitted with. */
interface ToolDeps {
  readonly tool: (name: string) => Tool | undefined;
  /** All tools of a source: `mcp:crm`, `kv:notes`. */
  readonly from: (source: string) => readonly Tool[];
}

/** The tools that an alias of a manifest stands for, each with its own alias. @throws CORRAL_CAP_UNKNOWN, CORRAL_CAP_NOT_GRANTED */
function toolsOf(
  alias: string,
  request: AgentManifest['uses'][string],
  job: Job,
  deps: ToolDeps,
): readonly { readonly as: string; readonly tool: Tool }[] {
  const server = sourceIn(request);
  const tools =
    server === undefined
      ? [{ as: alias, tool: toolFor(alias, request, job, deps.tool) }]
      : deps.from(request).map((tool) => ({ as: `${alias}.${tool.name.slice(server.length + 1)}`, tool }));
  if (tools.length === 0) throw notOffered(alias, request, job);
  return tools;
}

/**
 * Makes the record of a run and its root grants.
 * @throws CORRAL_INPUT_TOO_LARGE, CORRAL_INPUT_INVALID, CORRAL_CAP_UNKNOWN, CORRAL_CAP_NOT_GRANTED, CORRAL_USAGE
 */
export function admit(
  job: Job,
  deps: ToolDeps & {
    readonly random: Random;
    readonly now: number;
    readonly runtime: Omit<RunHeader, 'seed'>;
    /** Id of the profile with which the drift detector compares the run. */
    readonly profile?: string | undefined;
  },
): { readonly record: RunRecord; readonly grants: readonly Grant[] } {
  const { manifest } = job.version;
  const input = checkInput(job.input);
  const usual = { ceilings: { ...DEFAULT_CEILINGS, ...manifest.ceilings }, budget: { ...DEFAULT_BUDGET, ...manifest.budget } };
  const ceilings = { ...usual.ceilings, ...checked(CeilingsRequest, job.ceilings, 'ceilings') };
  const budget = { ...usual.budget, ...checked(Budget, job.budget, 'budget') };
  const isLess = job.narrowed ?? (isBelow(ceilings, usual.ceilings) || isBelow(budget, usual.budget));

  const id: RunId = job.id ?? newId('run', deps.random);
  const grants: Grant[] = [];
  const narrowings = checkNarrowings(manifest, job.grants);
  const root = (target: Grant['target'], terms?: Narrowings[string], tool?: Tool): Grant => {
    const plain: Grant = {
      id: newId('grant', deps.random),
      parent: undefined,
      holder: id,
      target,
      where: {},
      uses: undefined,
      expires_at: undefined,
      depth: 0,
      ...(tool?.annotations.trace === true ? { trace: true as const } : {}),
      ...(tool?.keeps === true ? { keeps_for: { agent: manifest.name, person: job.principal } } : {}),
    };
    const grant = terms === undefined ? plain : narrowed(plain, terms, deps.now);
    grants.push(grant);
    return grant;
  };
  const caps: RunRecord['caps'][number][] = [{ alias: '', cap: 0, grant: root({ kind: 'mailbox', run: id, agent: manifest.name }).id }];
  for (const [alias, request] of Object.entries(manifest.uses)) {
    const tools = toolsOf(alias, request, job, deps);
    for (const { as, tool } of tools)
      caps.push({
        alias: as,
        cap: caps.length,
        grant: root({ kind: 'tool', tool: tool.name as never }, narrowings[alias], tool).id,
      });
  }
  const record: RunRecord = {
    id,
    tenant: job.tenant,
    agent: manifest.name,
    version: job.version.version,
    bundle: job.version.bundle,
    principal: job.principal,
    ...(job.who === undefined ? {} : { who: job.who }),
    parent: undefined,
    ...(job.trace === undefined ? {} : { trace: job.trace }),
    spawn_depth: 0,
    input,
    header: { ...deps.runtime, seed: Buffer.from(deps.random(32)).toString('hex') },
    ceilings,
    budget,
    ...(isLess || Object.values(narrowings).some((terms) => Object.keys(terms).length > 0) ? { narrowed: true } : {}),
    caps,
    created_at: deps.now,
    ...(deps.profile === undefined ? {} : { profile: deps.profile }),
  };
  return { record, grants };
}

/** The tool that an agent asks for under an alias. @throws CORRAL_CAP_NOT_GRANTED, CORRAL_CAP_UNKNOWN */
function toolFor(alias: string, request: AgentManifest['uses'][string], job: Job, offered: (name: string) => Tool | undefined): Tool {
  const agent = job.version.manifest.name;
  const name = targetOf(request);
  if (name === undefined)
    throw new CorralError('CORRAL_CAP_NOT_GRANTED', `${agent} uses ${alias} as a mailbox, which only an agent that spawns it can give.`);
  const tool = offered(name);
  if (tool === undefined) throw notOffered(alias, request, job);
  return tool;
}

const notOffered = (alias: string, request: string, { version, tenant }: Job) =>
  new CorralError(
    'CORRAL_CAP_UNKNOWN',
    `${version.manifest.name} uses ${alias} as ${request}, which this host does not offer to ${tenant}.`,
  );

/** @throws CORRAL_INPUT_INVALID, CORRAL_INPUT_TOO_LARGE */
export function checkInput(value: unknown): Json {
  let text: string | undefined;
  try {
    text = JSON.stringify(value ?? null);
  } catch (error) {
    throw new CorralError(
      'CORRAL_INPUT_INVALID',
      `The input cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > ADMISSION.input_bytes.default) {
    throw new CorralError('CORRAL_INPUT_TOO_LARGE', `The input has ${bytes} bytes; at most ${ADMISSION.input_bytes.default} are accepted.`);
  }
  if (isDeeperThan(value, JSON_MAX_DEPTH))
    throw new CorralError('CORRAL_INPUT_INVALID', `The input nests deeper than ${JSON_MAX_DEPTH} levels.`);
  return JSON.parse(text) as Json;
}

function checked<T>(
  schema: {
    safeParse(
      value: unknown,
    ): { success: true; data: T } | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };
  },
  value: unknown,
  what: string,
): T {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CorralError(
    'CORRAL_USAGE',
    `The ${what} of the job were refused: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}.`,
  );
}
