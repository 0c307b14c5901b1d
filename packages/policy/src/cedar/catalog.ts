/**
 * The names that policies can use on this host: its tools and models with their arguments, and who may act. Cedar's schema and
 * the entities of a question are made from it.
 *
 * Each tool is an action of its own, `Action::"tool:fs.read"`, in the group `Action::"call"`: Cedar types a context by its
 * action, so this allows `context.args` to be typed by tool.
 */
import { targetText } from '@corral/protocol/ids';
import type { InspectedPlace } from '@corral/protocol/model/inspection';
import { REVERSIBLE_CHANGE, type Maker, type ToolAnnotations } from '@corral/protocol/ports/tool';
import type { CedarSchema, CedarType, EntityJson, EntityUid } from './engine.ts';
import { FACTS, FINDING, GIVEN, type InspectionFacts } from './facts.ts';
import { argumentShape, cedarFields, factsReader, recordReader, type Fields } from './shape.ts';
import type { CedarRecord } from './value.ts';

/** A tool or model as policies see it. */
export interface TargetFacts {
  readonly kind: 'tool' | 'model';
  readonly name: string;
  readonly annotations: ToolAnnotations;
  /** JSON Schema of its input as a caller writes it, before defaults. */
  readonly input: unknown;
  /** For a model. */
  readonly maker?: Maker;
}

/** The subject of decisions: the agent, the person and their tenant. It does not change during the run, so keep the object: decisions are cached by its key. */
export interface Subject {
  readonly tenant: string;
  /** The agent's name. */
  readonly agent: string;
  /** Digest of its bundle: `sha256:…`. */
  readonly version: string;
  /** The person or machine that submitted the run. */
  readonly person: string;
  readonly roles: readonly string[];
  /** The person who answers for the agent. */
  readonly owner?: string;
  /** The agent's role from its manifest: `planner`, `reader`. */
  readonly agent_role?: string;
  /** Unique text for all of the above. */
  readonly key: string;
}

export function subjectOf(subject: Omit<Subject, 'key'>): Subject {
  const { tenant, agent, version, person, roles, owner, agent_role } = subject;
  return { ...subject, key: JSON.stringify([tenant, agent, version, person, [...roles].sort(), owner ?? null, agent_role ?? null]) };
}

/**
 * An action: a call to a tool or a model, a send or spawn to an agent; the answer to a call on its way to the agent, how a run finishes, and
 * an event that it emits. The last three are stopped by policies that name `Action::"answer"`, `Action::"output"` or `Action::"emit"`, and
 * need no permit.
 */
export type Action =
  | ({ readonly kind: 'call' } & Called)
  | ({ readonly kind: 'answer' } & Called)
  | { readonly kind: 'send' | 'spawn'; readonly agent: string }
  | { readonly kind: 'output' | 'emit'; readonly agent: string };

interface Called {
  readonly target: 'tool' | 'model';
  readonly name: string;
}

/** Whether an action happens unless a policy that names it forbids it; others need a permit. */
export const isUnlessForbidden = ({ kind }: Action): boolean => kind === 'answer' || kind === 'output' || kind === 'emit';

/** Where inspectors look at an action's value; undefined: nowhere. */
export function placeOf({ kind }: Pick<Action, 'kind'>): InspectedPlace | undefined {
  if (kind === 'emit') return undefined;
  return kind === 'call' ? 'request' : kind === 'answer' || kind === 'output' ? kind : 'message';
}

/** Capabilities and amounts that a message or a child run receives. */
export interface Given {
  /** Capabilities: `tool:fs.read`, `mailbox`. */
  readonly capabilities: readonly string[];
  /** For a spawn: the amounts that are moved from the purse. */
  readonly budget?: Readonly<Record<string, number>>;
  /** For a spawn of a program. */
  readonly program?: {
    readonly digest: string;
    readonly bytes: number;
    readonly untrusted: boolean;
    readonly foreign_identifier: boolean;
  };
}

/**
 * Name of the action in Cedar: `call` has one for each target; `send` and `spawn` have the facts of `Given` besides the common
 * ones.
 */
export function actionName(action: Action): string {
  return action.kind === 'call' ? targetName(action) : action.kind;
}

/** The name of the tool, model or service that an action is about; for other actions, that of the action. */
function targetName(action: Action): string {
  if (action.kind !== 'call' && action.kind !== 'answer') return action.kind;
  return isService(action.name) ? 'service' : action.target === 'tool' ? targetText(action.name) : `${action.target}:${action.name}`;
}

/** Services come and go with bundles, so they share one action, and each is a resource: `Service::"claims"`. */
const SERVICE = 'service:';
const isService = (name: string): boolean => name.startsWith(SERVICE);
const SERVICE_ARGUMENTS = {
  type: 'object',
  properties: { key: { type: 'string' }, on: { type: 'string' } },
  required: ['key', 'on'],
};

export interface Catalog {
  readonly schema: CedarSchema;
  /** Ids that exist, by entity type; a type without an entry allows any id. */
  readonly known: ReadonlyMap<string, ReadonlySet<string>>;
  readonly actions: ReadonlySet<string>;
  /** Arguments that policies cannot see, by action: `args.filter`. */
  readonly unseen: ReadonlyMap<string, readonly string[]>;
  /** A reader of a request's context; undefined for a target that is not in the catalog. @throws ShapeMismatch */
  contextReader(action: string): ((facts: unknown, args: unknown) => CedarRecord) | undefined;
  /** All inspectors, with the places at which they look. */
  readonly inspectorNames: ReadonlyMap<string, readonly InspectedPlace[]>;
  /** Names of the inspectors that there are for an action. */
  inspectors(action: Action): readonly string[];
  /** Reads what inspectors said. One that did not answer is missing in the record, so a policy that needs it fails, which denies. */
  readInspected(facts: InspectionFacts): CedarRecord;
  entities(subject: Subject, action: Action): Question;
}

/** One question to the policies, without its context. */
export interface Question {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
  readonly entities: EntityJson[];
  readonly person: EntityUid;
}

export interface CatalogOptions {
  readonly targets: readonly TargetFacts[];
  /** If given, a policy that names another role is an error. */
  readonly roles?: readonly string[];
  readonly tenants?: readonly string[];
  /** Facts besides the common ones. */
  readonly facts?: Fields;
  /** Inspectors, and where they look: `context.inspect.NAME`. */
  readonly inspectors?: readonly { readonly name: string; readonly on: readonly InspectedPlace[] }[];
}

const entity = (name: string): CedarType => ({ type: 'Entity', name });
const uid = (type: string, id: string): EntityUid => ({ type, id });

const TARGET_SHAPE = {
  type: 'Record',
  attributes: {
    name: { type: 'String', required: true },
    readOnly: { type: 'Boolean', required: true },
    idempotent: { type: 'Boolean', required: true },
    destructive: { type: 'Boolean', required: true },
    openWorld: { type: 'Boolean', required: true },
    repeatable: { type: 'Boolean', required: true },
    returns: { type: 'String', required: true },
    touches: { type: 'String', required: false },
  },
} as const satisfies CedarType;

const text = (required: boolean) => ({ type: 'String', required }) as const;
const MODEL_SHAPE: CedarType = {
  type: 'Record',
  attributes: { ...TARGET_SHAPE.attributes, provider: text(true), model: text(true) },
};

const ENTITY_TYPES: CedarSchema[string]['entityTypes'] = {
  Tenant: {},
  Role: {},
  Person: { memberOfTypes: ['Role', 'Tenant'] },
  Agent: { memberOfTypes: ['Tenant'] },
  AgentVersion: {
    memberOfTypes: ['Agent', 'Tenant'],
    shape: {
      type: 'Record',
      attributes: {
        agent: { ...entity('Agent'), required: true },
        tenant: { ...entity('Tenant'), required: true },
        version: { type: 'String', required: true },
        owner: { ...entity('Person'), required: false },
        role: { type: 'String', required: false },
      },
    },
  },
  Tool: { shape: TARGET_SHAPE },
  Model: { shape: MODEL_SHAPE },
  Service: { shape: TARGET_SHAPE },
};

export function catalog({ targets, roles, tenants, facts = {}, inspectors = [] }: CatalogOptions): Catalog {
  const common: Fields = { ...FACTS, ...facts };
  const commonType = { ...cedarFields(common), person: { ...entity('Person'), required: true } };
  const inspect = inspectorsOf(inspectors);
  const readCommon = factsReader(common);
  const readers = new Map<string, ReadContext>();
  const unseen = new Map<string, readonly string[]>();
  const byName = new Map<string, TargetFacts>();

  const actions: CedarSchema[string]['actions'] = { call: {} };
  const services = { kind: 'tool', name: SERVICE, annotations: REVERSIBLE_CHANGE, input: SERVICE_ARGUMENTS } as const;
  for (const target of [...targets, services]) {
    const name = target === services ? 'service' : target.kind === 'tool' ? targetText(target.name) : `${target.kind}:${target.name}`;
    const shape = argumentShape(target.input);
    const none = Object.keys(shape.fields).length === 0;
    const readArgs = recordReader(shape.fields);
    byName.set(name, target);
    if (shape.unseen.length > 0) unseen.set(name, shape.unseen);
    readers.set(name, (given, args) => {
      const context = readCommon(given, 'the context') as Record<string, CedarRecord[string]>;
      context['args'] = none ? {} : readArgs(args, 'the arguments');
      return context;
    });
    actions[name] = {
      memberOf: [{ id: 'call' }],
      appliesTo: {
        principalTypes: ['AgentVersion'],
        resourceTypes: [target === services ? 'Service' : target.kind === 'tool' ? 'Tool' : 'Model'],
        context: {
          type: 'Record',
          attributes: {
            ...commonType,
            ...inspect.type('request'),
            args: { type: 'Record', attributes: cedarFields(shape.fields), required: true },
          },
        },
      },
    };
  }
  for (const name of ['send', 'spawn', 'answer', 'output', 'emit'] as const) {
    const passing = passingOf(name, { ...commonType, ...inspect.type(placeOf({ kind: name })) }, readCommon);
    readers.set(name, passing.read);
    actions[name] = passing.action;
  }

  const schema: CedarSchema = {
    '': {
      entityTypes: ENTITY_TYPES,
      actions,
    },
  };

  const known = new Map<string, ReadonlySet<string>>();
  for (const kind of ['tool', 'model'] as const) {
    known.set(kind === 'tool' ? 'Tool' : 'Model', new Set(targets.filter((one) => one.kind === kind).map(({ name }) => name)));
  }
  if (roles !== undefined) known.set('Role', new Set(roles));
  if (tenants !== undefined) known.set('Tenant', new Set(tenants));

  return {
    schema,
    known,
    actions: new Set(Object.keys(actions)),
    unseen,
    contextReader: (action) => readers.get(action),
    inspectorNames: new Map(inspectors.map(({ name, on }) => [name, on])),
    inspectors: (action) => inspect.at(placeOf(action)),
    readInspected: (said) => inspect.read(said),
    entities: (subject, action) => question(subject, action, byName.get(targetName(action))),
  };
}

/** The inspectors of a catalog: which there are at a place, their type in the schema, and the reader of what they said. */
function inspectorsOf(inspectors: NonNullable<CatalogOptions['inspectors']>) {
  const at = (place: InspectedPlace | undefined) =>
    place === undefined ? [] : inspectors.filter(({ on }) => on.includes(place)).map(({ name }) => name);
  return {
    at,
    type(place: InspectedPlace | undefined): Record<string, CedarType & { required: boolean }> {
      const names = at(place);
      if (names.length === 0) return {};
      const attributes = Object.fromEntries(names.map((name) => [name, FINDING_TYPE]));
      return { inspect: { type: 'Record', attributes, required: true } };
    },
    read(said: InspectionFacts): CedarRecord {
      const record = Object.create(null) as Record<string, CedarRecord>;
      for (const [name, finding] of Object.entries(said)) record[name] = readFinding(finding, name);
      return record;
    },
  };
}

type ReadContext = (facts: unknown, args: unknown) => CedarRecord;

/** An action other than a call: one agent passes something to another, or something passes the border of a run. */
function passingOf(
  name: 'send' | 'spawn' | 'answer' | 'output' | 'emit',
  common: Extract<CedarType, { type: 'Record' }>['attributes'],
  readCommon: (facts: unknown, at: string) => CedarRecord,
): { readonly action: CedarSchema[string]['actions'][string]; readonly read: ReadContext } {
  const appliesTo = (resourceTypes: string[], attributes: typeof common) => ({
    appliesTo: { principalTypes: ['AgentVersion'], resourceTypes, context: { type: 'Record' as const, attributes } },
  });
  if (name === 'answer' || name === 'output' || name === 'emit') {
    const action = appliesTo(name === 'answer' ? ['Tool', 'Model', 'Service'] : ['Agent'], common);
    return { action, read: (stated) => readCommon(stated, 'the context') };
  }
  const fields = name === 'send' ? GIVEN.send : GIVEN.spawn;
  const readGiven = factsReader(fields);
  const given: CedarType = { type: 'Record', attributes: cedarFields(fields) };
  return {
    action: appliesTo(['Agent'], { ...common, given: { ...given, required: true } }),
    read(stated, what) {
      const context = readCommon(stated, 'the context') as Record<string, CedarRecord[string]>;
      context['given'] = readGiven(givenFacts(what as Given | undefined), 'what is given');
      return context;
    },
  };
}

const readFinding = recordReader(FINDING);
const FINDING_TYPE = { type: 'Record', attributes: cedarFields(FINDING), required: true } as const satisfies CedarType & {
  required: boolean;
};

/** The facts that policies see of `Given`. */
const givenFacts = (given: Given | undefined) =>
  given === undefined
    ? {}
    : {
        capabilities: given.capabilities.length,
        targets: given.capabilities,
        ...(given.budget === undefined ? {} : { budget: given.budget }),
        ...(given.program === undefined ? {} : { program: given.program }),
      };

function question(subject: Subject, action: Action, target: TargetFacts | undefined): Question {
  const tenant = uid('Tenant', subject.tenant);
  const agent = uid('Agent', subject.agent);
  const principal = uid('AgentVersion', `${subject.agent}@${subject.version}`);
  const person = uid('Person', subject.person);
  const call = uid('Action', 'call');
  const acted = uid('Action', actionName(action));
  const bare = (one: EntityUid, parents: EntityUid[] = []): EntityJson => ({ uid: one, attrs: {}, parents });
  const entities: EntityJson[] = [
    bare(tenant),
    bare(agent, [tenant]),
    bare(person, [tenant, ...[...new Set(subject.roles)].map((role) => uid('Role', role))]),
    bare(acted, action.kind === 'call' ? [call] : []),
    {
      uid: principal,
      parents: [agent, tenant],
      attrs: {
        agent: { __entity: agent },
        tenant: { __entity: tenant },
        version: subject.version,
        ...(subject.owner === undefined ? {} : { owner: { __entity: uid('Person', subject.owner) } }),
        ...(subject.agent_role === undefined ? {} : { role: subject.agent_role }),
      },
    },
  ];
  if (action.kind !== 'call' && action.kind !== 'answer') {
    const resource = uid('Agent', action.agent);
    if (action.agent !== subject.agent) entities.push(bare(resource, [tenant]));
    return { principal, action: acted, resource, entities, person };
  }
  if (isService(action.name)) {
    const name = action.name.slice(SERVICE.length);
    const service = uid('Service', name);
    const attrs = targetAttributes({ name, annotations: { ...REVERSIBLE_CHANGE, resource: action.name } });
    return {
      principal,
      action: acted,
      resource: service,
      entities: [...entities, { uid: service, parents: [], attrs }, bare(call)],
      person,
    };
  }
  const resource = uid(action.target === 'tool' ? 'Tool' : 'Model', action.name);
  if (target !== undefined) entities.push({ uid: resource, parents: [], attrs: targetAttributes(target) });
  return { principal, action: acted, resource, entities: [...entities, bare(call)], person };
}

function targetAttributes({
  kind = 'tool',
  name,
  annotations,
  maker,
}: Pick<TargetFacts, 'name' | 'annotations' | 'maker'> & Partial<Pick<TargetFacts, 'kind'>>): EntityJson['attrs'] {
  const { readOnly, idempotent, destructive, openWorld, repeatable, returns, resource } = annotations;
  return {
    // As it is named everywhere else, so that a rule about `model:*` is one about models.
    name: kind === 'model' ? `model:${name}` : name,
    readOnly,
    idempotent,
    destructive,
    openWorld,
    repeatable,
    returns,
    ...(resource === undefined ? {} : { touches: resource }),
    ...(maker === undefined ? {} : { provider: maker.provider, model: maker.model }),
  };
}
