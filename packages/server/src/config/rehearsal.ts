/** `corral policy`: checks policies, tries them on cases, and compares them with recorded decisions, before they are in force. */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkPolicies } from '@corral/policy/cedar/check';
import { formatCases, PolicyCases, testPolicies, type CaseResult } from '@corral/policy/cedar/cases';
import { formatComparison, PolicyShadow, type Comparison } from '@corral/policy/cedar/compare';
import { explain, formatExplained, type Explained } from '@corral/policy/cedar/explain';
import type { PolicySource } from '@corral/policy/cedar/source';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { formatProblems, type Problem } from '@corral/policy/cedar/problem';
import type { Verdict } from '@corral/policy/cedar/verdict';
import type { Decision } from '@corral/protocol/model/decision';
import { CorralError } from '@corral/protocol/errors';
import { readJson } from '@corral/protocol/json-text';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Store } from '@corral/protocol/ports/store';
import { reevaluatePolicies } from '@corral/supervisor/offline/reevaluate';
import { loadConfig, type LoadedConfig } from './load.ts';
import { catalogOf, engine, filesOf, loadPolicies, peopleOf, readPolicies } from './policies.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The tenant whose tools and policies are used. @throws CORRAL_USAGE */
function tenantOf(loaded: LoadedConfig, tenant: string | undefined) {
  const found = loaded.tenants[nameOf(loaded, tenant)];
  if (found === undefined)
    throw new CorralError('CORRAL_USAGE', `Say which tenant, with --tenant: ${Object.keys(loaded.tenants).join(', ')}.`);
  return found;
}

/** @returns '' if none is named and there is no default */
function nameOf({ tenants }: LoadedConfig, tenant: string | undefined): string {
  const names = Object.keys(tenants);
  return tenant ?? (names.length === 1 ? names[0] : names.find((one) => one === 'local')) ?? '';
}

const policiesSaid = ({ config }: LoadedConfig, tenant: string) => config.tenants[tenant as TenantId]?.policies ?? config.policies;

/** People as the configuration names them, also where other policies than its own are evaluated. */
const peopleIn = (loaded: LoadedConfig, tenant: string) => peopleOf(policiesSaid(loaded, tenant));

/**
 * Every fault of the given files, or else of those that a configuration names for a tenant, checked against the configuration's tools.
 * @throws CORRAL_USAGE if neither names a file
 */
export async function checkFiles(
  files: readonly string[],
  config: string | undefined,
  env: Env,
  tenant?: string,
): Promise<{ readonly problems: readonly Problem[]; readonly policies: number; readonly text: string }> {
  const loaded = await loadConfig(config, env, { withoutPolicies: true });
  const { tools, inspectors } = tenantOf(loaded, tenant);
  const own = filesOf(policiesSaid(loaded, nameOf(loaded, tenant)));
  if (files.length === 0 && own.length === 0)
    throw new CorralError('CORRAL_USAGE', 'The configuration names no policies; name policy files on the command line.');
  const sources =
    files.length > 0
      ? await readPolicies(files, process.cwd())
      : await readPolicies(own, loaded.file === undefined ? process.cwd() : dirname(loaded.file));
  const checked = checkPolicies(engine, catalogOf(tools, inspectors), sources);
  const { length } = checked.policies;
  const text =
    checked.problems.length === 0 ? `${length} ${length === 1 ? 'policy' : 'policies'}, no problems` : formatProblems(checked.problems);
  return { problems: checked.problems, policies: length, text };
}

/**
 * Policies of the given files, or else those that a configuration names for a tenant. @throws CORRAL_POLICY_INVALID, CORRAL_USAGE
 */
async function policiesOf(files: readonly string[], config: string | undefined, env: Env, tenant?: string): Promise<PolicyInForce> {
  const own = files.length === 0;
  const { tools, policies, inspectors } = tenantOf(await loadConfig(config, env, own ? {} : { withoutPolicies: true }), tenant);
  if (!own) return loadPolicies(await readPolicies(files, process.cwd()), tools, { inspectors });
  if (policies === undefined)
    throw new CorralError('CORRAL_USAGE', 'The configuration names no policies; name policy files on the command line.');
  return policies.current;
}

/** @param file a JSON list of cases */
export async function tryCases(
  file: string,
  files: readonly string[],
  config: string | undefined,
  env: Env,
  tenant?: string,
): Promise<{ readonly results: readonly CaseResult[]; readonly text: string }> {
  let said: unknown;
  try {
    said = readJson(await readFile(file));
  } catch (error) {
    throw new CorralError('CORRAL_USAGE', `${file} holds no cases: ${error instanceof Error ? error.message : ''}`, { cause: error });
  }
  const cases = PolicyCases.safeParse(said);
  if (!cases.success) {
    const [issue] = cases.error.issues;
    throw new CorralError('CORRAL_USAGE', `${file} holds no cases: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}.`);
  }
  const results = testPolicies(await policiesOf(files, config, env, tenant), cases.data);
  return { results, text: formatCases(results) };
}

export interface Beside extends Comparison {
  readonly skipped: readonly string[];
}

/**
 * Evaluates recorded calls with a candidate.
 * @param against `recorded`: compares with the recorded decision; `in force`: with what the configuration's own policies decide
 * about the same call
 * @param files of the candidate
 */
export async function compareRecorded(
  store: Store,
  against: 'recorded' | 'in force',
  files: readonly string[],
  config: string | undefined,
  env: Env,
): Promise<{ readonly comparison: Beside; readonly text: string }> {
  const loaded = await loadConfig(config, env, against === 'recorded' ? { withoutPolicies: true } : {});
  const sources = await readPolicies(files, process.cwd());
  const candidates = new Map(
    Object.entries(loaded.tenants).map(([tenant, { tools, inspectors }]) => [tenant, loadPolicies(sources, tools, { inspectors })]),
  );
  const shadows = new Map<string, PolicyShadow>();
  const skipped: string[] = [];
  const tool = (tenant: string, name: string) => loaded.tenants[tenant]?.tools.find((one) => one.name === name);
  const policies = (tenant: string) => {
    const current = candidates.get(tenant);
    return current && { current, ...peopleIn(loaded, tenant) };
  };
  for await (const { run, call, crank, recorded, request, verdict } of reevaluatePolicies({
    store,
    policies,
    tool,
    skipped: (what) => skipped.push(what),
  })) {
    const { tenant } = request.subject;
    const inForce = against === 'recorded' ? undefined : loaded.tenants[tenant]?.policies?.current;
    const candidate = candidates.get(tenant);
    if (candidate === undefined || (against === 'in force' && inForce === undefined)) continue;
    const shadow = shadows.get(tenant) ?? new PolicyShadow(inForce?.version ?? 'as recorded', candidate);
    shadows.set(tenant, shadow);
    shadow.observe(`${run} crank ${crank} call ${call}`, request, inForce?.decide(request) ?? recordedVerdict(recorded, verdict));
  }
  const comparison = { ...together([...shadows.values()].map((one) => one.report())), skipped };
  const missed = skipped.length === 0 ? '' : `\n${skipped.length} left out: ${skipped.slice(0, 5).join('; ')}`;
  return { comparison, text: `${formatComparison(comparison)}${missed}` };
}

/** A record does not say whether a denial had consequences, so any recorded denial equals any denial of the candidate. */
function recordedVerdict({ verdict: recorded, rules, quorum, policy, question, approvers }: Decision, candidate: Verdict): Verdict {
  // A question waits for a person although the policies allow it; only a rule that asks adds somebody besides the owner.
  const verdict = question === true && approvers?.length === 1 ? 'allow' : recorded;
  if (verdict === 'deny' && candidate.decision === 'deny' && candidate.consequence !== 'approval') return candidate;
  const reasons = (rules ?? []).map((id) => ({ policy: id, effect: verdict === 'allow' ? 'permit' : 'forbid', annotations: {} }) as const);
  const common = { reasons, errors: [], policy_version: policy ?? 'none' };
  if (verdict === 'allow') return { decision: 'allow', ...common };
  return verdict === 'ask'
    ? { decision: 'deny', consequence: 'approval', quorum: quorum ?? 1, ...common }
    : { decision: 'deny', consequence: 'deny', ...common };
}

function together(all: readonly Comparison[]): Comparison {
  const changes: Record<string, number> = {};
  for (const one of all) for (const [change, count] of Object.entries(one.changes)) changes[change] = (changes[change] ?? 0) + count;
  const sum = (of: (one: Comparison) => number) => all.reduce((total, one) => total + of(one), 0);
  return {
    version: [...new Set(all.map(({ version }) => version))].join(', '),
    candidate: [...new Set(all.map(({ candidate }) => candidate))].join(', '),
    decisions: sum((one) => one.decisions),
    differing: sum((one) => one.differing),
    changes,
    examples: all.flatMap(({ examples }) => examples),
  };
}

export interface CrankExplained {
  readonly call: number;
  readonly recorded: Decision;
  readonly explained: Explained;
}

/** Gives the texts of a version of policies, if a host of this folder kept them. */
export type Archived = (version: string) => readonly PolicySource[] | undefined;

/**
 * Explains the decisions of one crank: by the given files, or else by the policies that a configuration names, or else by the
 * kept texts of the version that decided. The output says which.
 */
export async function explainCrank(
  store: Store,
  run: RunId,
  crank: number,
  files: readonly string[],
  config: string | undefined,
  env: Env,
  archived?: Archived,
): Promise<{ readonly calls: readonly CrankExplained[]; readonly text: string; readonly recorded: boolean }> {
  const stored = await store.run(run);
  if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run} in this data folder.`);
  const { tenant } = stored.record;
  const version = await versionIn(store, run, crank);
  const kept = version === undefined || files.length > 0 ? undefined : archived?.(version);
  const loaded = await loadConfig(config, env, files.length > 0 || kept !== undefined ? { withoutPolicies: true } : {});
  const { tools, inspectors } = tenantOf(loaded, tenant);
  const current = kept === undefined ? await policiesOf(files, config, env, tenant) : loadPolicies(kept, tools, { inspectors });
  const calls: CrankExplained[] = [];
  const options = {
    store,
    run,
    policies: () => ({ current, ...peopleIn(loaded, tenant) }),
    tool: (_: string, name: string) => tools.find((one) => one.name === name),
    skipped: () => undefined,
  };
  for await (const one of reevaluatePolicies(options))
    if (one.crank === crank) calls.push({ call: one.call, recorded: one.recorded, explained: explain(current, one.request) });
  const text = calls
    .map(({ call, recorded, explained }) => {
      const then = `${recorded.action ?? 'call'} ${call} to ${recorded.tool ?? recorded.agent ?? ''}, recorded as ${recorded.verdict}`;
      return `${then}; these policies say ${formatExplained(explained)}`;
    })
    .join('\n');
  if (text === '') return { calls, text: `Crank ${crank} of ${run} has no decision about a call.`, recorded: false };
  const recorded = current.version === version;
  const which = recorded
    ? `By policies ${current.version.slice(0, 19)}, which made the decision${kept === undefined ? '' : '; their texts were kept'}.`
    : `These are other policies than those that decided: these are ${current.version.slice(0, 19)}; the decision was by ${version?.slice(0, 19) ?? 'none'}.`;
  return { calls, text: `${which}\n${text}`, recorded };
}

/** The version of the policies that decided in a crank. */
async function versionIn(store: Store, run: RunId, crank: number): Promise<string | undefined> {
  const [entry] = await store.journal(run, crank - 1, 1);
  return entry?.decisions.find(({ policy }) => policy !== undefined)?.policy;
}
