/**
 * Every name by which telemetry leaves a host. The GenAI conventions changed names three times within a year, so all names are in this file,
 * of one version, and names.test.ts holds them to it. Names that the conventions do not have begin with `corral.`.
 *
 * Source: github.com/open-telemetry/semantic-conventions-genai v0.1.0, all of it of status Development; no npm package has these names.
 */

/** The conventions that the names below are from. */
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/gen-ai/0.1.0';
export const SCOPE = '@corral/telemetry';

/** Attributes of the GenAI conventions v0.1.0. */
export const GEN_AI = {
  operation: 'gen_ai.operation.name',
  agent: 'gen_ai.agent.name',
  agentVersion: 'gen_ai.agent.version',
  conversation: 'gen_ai.conversation.id',
  tool: 'gen_ai.tool.name',
  toolCall: 'gen_ai.tool.call.id',
  provider: 'gen_ai.provider.name',
  model: 'gen_ai.request.model',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  error: 'error.type',
} as const;

/** Attributes of the same conventions for what was said. They are sent only where a configuration asks for content. */
export const CONTENT = {
  arguments: 'gen_ai.tool.call.arguments',
  result: 'gen_ai.tool.call.result',
  input: 'gen_ai.input.messages',
  output: 'gen_ai.output.messages',
} as const;

/**
 * Names of the conventions before v1.37, which backends still read. They are sent besides the others until
 * `OTEL_SEMCONV_STABILITY_OPT_IN` asks for the new ones alone.
 */
export const BEFORE = { provider: 'gen_ai.system', tokenType: 'gen_ai.token.type' } as const;

/** Attributes that no convention has. */
export const CORRAL = {
  tenant: 'corral.tenant',
  run: 'corral.run.id',
  outcome: 'corral.outcome',
  waiting: 'corral.waiting',
  waited_ms: 'corral.waited_ms',
  epoch: 'corral.epoch',
  cranks: 'corral.cranks',
  calls: 'corral.calls',
  cpu_ms: 'corral.cpu_ms',
  cost: 'corral.cost_micros',
  attempts: 'corral.attempts',
  verdict: 'corral.verdict',
  rule: 'corral.policy.rule',
  delivery: 'corral.delivery',
  link: 'corral.link',
  state: 'corral.state',
  detector: 'corral.detector',
  step: 'corral.step',
  what: 'corral.what',
  count: 'corral.count',
  agentLog: 'corral.agent.log',
} as const;

/** Values of `gen_ai.operation.name`. */
export const OPERATION = { agent: 'invoke_agent', tool: 'execute_tool', chat: 'chat' } as const;

/** Names of spans; those of the conventions are followed by the name of the agent, tool or model. */
export const SPAN = {
  run: 'corral.run',
  segment: OPERATION.agent,
  tool: OPERATION.tool,
  model: OPERATION.chat,
  approval: 'corral.approval',
  message: 'corral.message',
  timer: 'corral.timer',
  child: 'corral.child_ended',
  request: 'corral.request',
  denied: 'corral.denied',
  acted: 'corral.act',
} as const;

/** One number that is counted or measured. `unit`: as UCUM, which OTLP and the conventions use. */
export interface Instrument {
  readonly name: string;
  readonly kind: 'counter' | 'histogram' | 'gauge';
  readonly unit: 's' | '{call}' | '{token}' | '{run}' | '{fact}' | '{span}' | '{event}' | '{micro}' | '{cell}' | '{delivery}' | 'By' | '1';
  readonly labels: readonly string[];
  readonly about: string;
  /** The conventions have it under this name no longer; see `BEFORE`. */
  readonly before?: true;
}

const histogram = (name: string, unit: Instrument['unit'], labels: readonly string[], about: string) =>
  ({ name, kind: 'histogram', unit, labels, about }) as const;
const counter = (name: string, unit: Instrument['unit'], labels: readonly string[], about: string) =>
  ({ name, kind: 'counter', unit, labels, about }) as const;
const gauge = (name: string, unit: Instrument['unit'], labels: readonly string[], about: string) =>
  ({ name, kind: 'gauge', unit, labels, about }) as const;

/** Labels never name a run, a principal or a host: their number has no bound. */
export const METRICS = {
  agentDuration: histogram('gen_ai.invoke_agent.duration', 's', [GEN_AI.agent, GEN_AI.error], 'Time an agent was in memory at a stretch.'),
  agentInference: histogram('gen_ai.invoke_agent.inference_calls', '{call}', [GEN_AI.agent], 'Calls of models in such a stretch.'),
  agentTools: histogram('gen_ai.invoke_agent.tool_calls', '{call}', [GEN_AI.agent], 'Calls of tools in such a stretch.'),
  toolDuration: histogram('gen_ai.execute_tool.duration', 's', [GEN_AI.tool, GEN_AI.error], 'Time from a call to its answer in a crank.'),
  modelDuration: histogram(
    'gen_ai.client.inference.duration',
    's',
    [GEN_AI.operation, GEN_AI.provider, GEN_AI.model, GEN_AI.error],
    'Time from a request to a model to its answer in a crank.',
  ),
  firstChunk: histogram(
    'gen_ai.client.inference.time_to_first_chunk',
    's',
    [GEN_AI.operation, GEN_AI.provider, GEN_AI.model],
    'Time from a request to a model to the first parts of its streamed answer in a crank.',
  ),
  inputTokens: histogram(
    'gen_ai.client.inference.usage.input_tokens',
    '{token}',
    [GEN_AI.operation, GEN_AI.provider, GEN_AI.model],
    'Tokens that a model was sent.',
  ),
  outputTokens: histogram(
    'gen_ai.client.inference.usage.output_tokens',
    '{token}',
    [GEN_AI.operation, GEN_AI.provider, GEN_AI.model],
    'Tokens that a model answered.',
  ),
  modelDurationBefore: {
    ...histogram('gen_ai.client.operation.duration', 's', [GEN_AI.operation, BEFORE.provider, GEN_AI.model, GEN_AI.error], 'Before v1.37.'),
    before: true,
  },
  firstChunkBefore: {
    ...histogram('gen_ai.client.operation.time_to_first_chunk', 's', [GEN_AI.operation, GEN_AI.provider, GEN_AI.model], 'Before v0.1.0.'),
    before: true,
  },
  tokensBefore: {
    ...histogram(
      'gen_ai.client.token.usage',
      '{token}',
      [GEN_AI.operation, BEFORE.provider, GEN_AI.model, BEFORE.tokenType],
      'Before v1.37.',
    ),
    before: true,
  },
  admitted: counter('corral.runs.admitted', '{run}', [CORRAL.tenant, GEN_AI.agent], 'Runs that were admitted.'),
  ended: counter('corral.runs.ended', '{run}', [CORRAL.tenant, GEN_AI.agent, CORRAL.outcome], 'Runs that ended.'),
  parked: counter('corral.runs.parked', '{run}', [CORRAL.waiting], 'Runs that left memory, by what they wait for.'),
  woken: counter('corral.runs.woken', '{run}', [], 'Runs that came back into memory.'),
  queued: histogram('corral.run.queued', 's', [], 'Time from the admission of a run to its first crank.'),
  crankDuration: histogram('corral.crank.duration', 's', [CORRAL.delivery], 'Time from sending a delivery to a cell to its answer.'),
  crankCpu: histogram('corral.crank.cpu', 's', [CORRAL.delivery], 'CPU time of a crank in its cell.'),
  messages: counter('corral.messages', '{delivery}', [], 'Messages that runs received.'),
  denied: counter('corral.policy.denied', '{call}', [CORRAL.tenant, CORRAL.what, GEN_AI.error], 'Effects that were refused.'),
  asked: counter('corral.approvals.asked', '{call}', [CORRAL.tenant], 'Calls that people were asked about.'),
  decided: counter('corral.approvals.decided', '{call}', [CORRAL.tenant, CORRAL.verdict], 'Decisions of people about calls.'),
  approvalWait: histogram('corral.approval.wait', 's', [], 'Time from a question to people to their decision.'),
  requests: counter(
    'corral.requests',
    '{call}',
    [GEN_AI.tool, GEN_AI.error],
    'Replies of other runs, and answers of calls whose time no host has measured.',
  ),
  cost: counter('corral.cost', '{micro}', [CORRAL.tenant, GEN_AI.agent], 'Money that calls cost, in millionths.'),
  steps: counter('corral.detector.steps', '{event}', [CORRAL.detector, CORRAL.step], 'Steps of the ladder against loops.'),
  acts: counter('corral.acts', '{event}', [CORRAL.what], 'Pauses, quarantines, revocations and other acts on runs.'),
  dropped: counter('corral.telemetry.dropped', '{fact}', [CORRAL.what], 'Facts and spans that telemetry lost.'),
  runs: gauge('corral.runs', '{run}', [CORRAL.state], 'Runs in memory, by state.'),
  waiting: gauge('corral.runs.waiting', '{run}', [CORRAL.waiting], 'Runs that have not ended, by what they wait for.'),
  oldest: gauge('corral.queue.oldest', 's', [], 'How long the run has waited that has something to do and has waited longest.'),
  stalled: gauge('corral.host.stalled', '1', [CORRAL.what], '1 while the host does no work for this reason.'),
  diskFull: gauge('corral.disk.full', '1', [], '1 while the disk of the data folder is full, or nearly.'),
  cells: gauge('corral.cells', '{cell}', [], 'Processes that host runs.'),
  webhooksWaiting: gauge('corral.webhooks.waiting', '{delivery}', [], 'Notifications that no receiver has taken yet.'),
  webhooksGivenUp: gauge('corral.webhooks.given_up', '{delivery}', [], 'Notifications that no receiver has ever taken.'),
  webhooksFailing: gauge('corral.webhooks.failing', '1', [], 'Receivers that do not answer.'),
  eventsDropped: gauge('corral.events.dropped', '{event}', [], 'Events that could not be written.'),
  resident: gauge('process.memory.usage', 'By', [], 'Resident memory of the host’s process.'),
} as const satisfies Record<string, Instrument>;
export type MetricName = keyof typeof METRICS;

/** Whether only the names of the latest conventions are wanted. @param said `OTEL_SEMCONV_STABILITY_OPT_IN` */
export const latestOnly = (said: string | undefined): boolean =>
  (said ?? '').split(',').some((one) => one.trim() === 'gen_ai_latest_experimental');

/** Labels whose values are names that others gave; all others have few values, which Corral gave. */
const OPEN: ReadonlySet<string> = new Set([CORRAL.tenant, GEN_AI.agent, GEN_AI.tool, GEN_AI.model, GEN_AI.provider, BEFORE.provider]);
/** Which labels of an instrument are names that others gave. A refusal may be about any tool or agent. */
export const openLabelsOf = (name: MetricName): readonly boolean[] =>
  METRICS[name].labels.map((label) => OPEN.has(label) || (name === 'denied' && label === CORRAL.what));
