/**
 * Every limit of Corral, in one table: its default and its hard minimum and maximum. The unit is the last part of each name. Those of
 * telemetry are in limits-telemetry.ts, those of HTTP in limits-http.ts.
 * Tests at the edge of each are in limits.test.ts and test/integration.
 */
export interface Limit {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly about: string;
}

/** Money is counted in whole millionths, so that sums are exact. */
export const MICROS = 1_000_000;

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

export const limit = (about: string, fallback: number, max: number, min = 1): Limit => ({ default: fallback, min, max, about });

/** Limits of what callers hold open at the front door. */
export const FOLLOWERS = {
  followers: limit('streams of events of a host', 1_000, 100_000),
  followers_reserved: limit('of them, those that are reserved for admins of the whole host', 50, 1_000, 0),
  followers_per_tenant: limit('streams of events of the principals of one tenant', 400, 100_000),
  followers_per_principal: limit('streams of events of one principal', 100, 100_000),
} as const satisfies Record<string, Limit>;

/** Memory for what passes the front door. */
export const DOOR = {
  traffic_bytes_per_tenant: limit(
    'bodies under way of the principals of one tenant, with what they have not taken of their answers; more requests are refused',
    64 * MIB,
    4096 * MIB,
  ),
  traffic_bytes: limit('the same of all tenants together', 192 * MIB, 16_384 * MIB),
  settled_at_once: limit('calls that one request names when it settles many', 10_000, 30_000),
  list_bytes: limit('calls, messages or journal entries on one page of a list, besides the first of them', 4 * MIB, 64 * MIB),
  fixture_calls: limit('calls of a run that becomes material of a test; a longer one is refused', 5_000, 100_000),
  fixture_bytes: limit('their arguments and results', 16 * MIB, 256 * MIB),
} as const satisfies Record<string, Limit>;

/** Sessions of people who signed in at the console. */
export const SESSIONS = {
  session_ms: limit('longest time of one session', 12 * 3_600_000, DAY_MS, 60_000),
  session_idle_ms: limit('time without a request after which a session ends', 30 * 60_000, DAY_MS, 60_000),
  sessions_per_principal: limit('sessions of one principal; one more ends the oldest', 10, 100),
  sessions: limit('sessions of a host; one more ends the oldest', 1_000, 10_000),
  sign_in_ms: limit('time that a person has to sign in at an issuer', 10 * 60_000, 3_600_000, 60_000),
  sign_ins: limit('sign-ins at issuers that are under way; one more ends the oldest', 20_000, 1_000_000),
} as const satisfies Record<string, Limit>;

/** Events of a host, which are kept for those who follow them. */
export const EVENTS = {
  event_days: limit('days for which events are kept for followers that come back', 7, 365),
  event_bytes_per_tenant: limit(
    'events of one tenant that are kept, besides what journals have of them; older ones are forgotten',
    64 * MIB,
    4096 * MIB,
  ),
  event_bytes: limit('events of all tenants that are kept; the tenant with the most loses its oldest', 256 * MIB, 16_384 * MIB),
  event_data_bytes: limit('data of one event that is kept, besides what journals have of it', 64 * 1024, MIB),
  events_unwritten: limit(
    'events that wait to be written, at most half of them of one tenant; more are counted, and followers told',
    40_000,
    1_000_000,
  ),
  events_unwritten_bytes: limit('bytes of these events, at most half of them of one tenant', 16 * MIB, 256 * MIB),
  event_write_ms: limit('how long an event waits to be written together with others', 100, 10_000),
  events_written_at_once: limit('events that are written in one turn of the event loop', 500, 10_000),
  event_cache_bytes: limit(
    'text of the latest events in memory, from which followers are sent what they have not missed',
    8 * MIB,
    256 * MIB,
  ),
} as const satisfies Record<string, Limit>;

/** Delivery to webhooks. */
export const WEBHOOKS = {
  deliveries_at_once: limit('notifications being delivered to one receiver; 1 while the receiver fails', 4, 64),
  answer_ms: limit('time a receiver has to answer', 10_000, 60_000),
  retry_pause_ms: limit('longest pause before a notification is tried again', 3_600_000, DAY_MS),
  receiver_rest_ms: limit('longest time a receiver that does not answer is left alone', 60_000, DAY_MS),
  delivered_kept: limit('records of what a receiver took', 1_000, 100_000, 0),
} as const satisfies Record<string, Limit>;

/** Hints that a run may have something to do, if they go through Redis. */
export const WAKE_UPS = {
  ahead_ms: limit('how far ahead a hint for later is given; the store knows everything that is due', 3_600_000, DAY_MS),
  underway: limit('hints on their way to Redis at once; more are dropped, and the sweep finds their runs', 1_000, 100_000),
  at_once: limit('hints that a host takes at once', 64, 1_000),
  look_ms: limit('how often a host checks whether Redis takes hints', 5_000, 60_000),
  answer_ms: limit('time Redis has to answer before hints count as lost', 5_000, 60_000),
  silence_ms: limit('time without an answer after which a connection to Redis is opened again', 15_000, 600_000, 10_000),
  reconnect_ms: limit('longest pause before Redis is tried again', 2_000, 60_000),
  close_ms: limit('time that the connections to Redis have to end with their host', 1_000, 60_000),
} as const satisfies Record<string, Limit>;

/**
 * Ceilings of one run. Reaching one ends the run as `exceeded(<name without unit>)`, unless its text says that a call is refused.
 */
export const CEILINGS = {
  crank_cpu_ms: limit('CPU time of one crank; loading the bundle, before the first one, has a limit by its size', 250, 10_000),
  memory_mib: limit('heap of the isolate, ArrayBuffers included', 64, 1024, 8),
  wall_ms: limit(
    'time from the first crank to the end; time in which it is paused, waits for people, or is not given a CPU by its host does not count',
    600_000,
    365 * DAY_MS,
  ),
  in_flight: limit('effects waiting for their reply; one more is refused', 256, 4096),
  effects: limit('effects in total', 100_000, 10_000_000),
  message_bytes: limit('size of one effect or one result as JSON', 256 * 1024, 4 * MIB, 256),
  model_request_bytes: limit('size of one call of a model as JSON, in place of message_bytes', 4 * MIB, 4 * MIB, 256),
  log_bytes: limit('log text in total', 1 * MIB, 64 * MIB, 0),
  journal_bytes: limit(
    'text of the journal in total; repeated text counts each time, although it is stored once',
    256 * MIB,
    4096 * MIB,
    4096,
  ),
  message_depth: limit('length of a causal chain of messages between runs; a longer one is refused', 100_000, 1_000_000),
  spawn_depth: limit('generations of child runs; one more is refused', 8, 64, 0),
} as const satisfies Record<string, Limit>;

/** Amounts of a purse. A spawn moves them to the child; a call that a purse cannot pay for is refused. */
export const BUDGETS = {
  cpu_ms: limit('CPU time of all cranks', 60_000, 30 * DAY_MS),
  calls: limit('calls to tools', 10_000, 100_000_000, 0),
  messages: limit('messages sent to other runs', 10_000, 100_000_000, 0),
  bytes: limit('bytes of arguments and results', 256 * MIB, 1024 * 1024 * MIB, 0),
  children: limit('child runs, grandchildren included', 1_000, 1_000_000, 0),
  tokens: limit('tokens of models, in and out, as the tools that use them count', 10_000_000, 1_000_000_000_000, 0),
  money_micros: limit(
    'money that tools charge or move, in millionths of the tenant’s one currency: 2500000 is 2.50',
    10_000 * MICROS,
    9_000_000_000 * MICROS,
    0,
  ),
} as const satisfies Record<string, Limit>;

/** Limits of what is submitted, checked before anything is stored. */
export const ADMISSION = {
  bundle_bytes: limit('a bundle, uncompressed', 8 * MIB, 32 * MIB),
  input_bytes: limit('the input of a run as JSON', 1 * MIB, 4 * MIB),
  schema_bytes: limit('one JSON Schema of a manifest', 32 * 1024, 256 * 1024),
  schema_depth: limit('nesting of one JSON Schema', 32, 64),
  manifest_bytes: limit('one manifest as JSON, besides its two schemas', 32 * 1024, 256 * 1024),
  agents_per_bundle: limit('agents defined in one bundle', 64, 256),
  handlers_per_service: limit('handlers of one service', 64, 256),
  uses_per_agent: limit('capabilities an agent may name', 64, 256),
} as const satisfies Record<string, Limit>;

/** Limits of the machinery. */
export const MACHINE = {
  frame_bytes: limit('payload of one frame between supervisor and cell', 16 * MIB, 64 * MIB),
  effects_per_crank: limit('effects of one crank', 10_000, 100_000),
  effects_bytes: limit('effects of one crank as JSON, besides one of the largest size', 4 * MIB, 64 * MIB),
  call_timeout_ms: limit('time a tool has for one attempt', 30_000, 3_600_000),
  model_timeout_ms: limit('time a model has for one attempt', 300_000, 3_600_000),
  model_output_tokens: limit('tokens of a model’s answer where its configuration says nothing', 8_192, 10_000_000),
  model_answer_bytes: limit('the answer of a model’s provider, uncompressed', 16 * MIB, 64 * MIB),
  model_stream_bytes: limit('the answer of a model’s provider as a stream, uncompressed', 256 * MIB, 4096 * MIB),
  model_connect_ms: limit('time a connection to a model’s provider may take to come about', 10_000, 60_000),
  recording_bytes: limit('a file of recorded answers of a model', 64 * MIB, 256 * MIB),
  recorded_answers: limit('answers in one such file', 20_000, 1_000_000),
  model_messages: limit('messages in the prompt of one request to a model', 2_000, 100_000),
  model_parts: limit('parts of all messages of one request to a model', 8_000, 400_000),
  model_schema_bytes: limit('one JSON Schema in a request to a model: of a function, or of the answer', 64 * 1024, 4 * MIB),
  model_schema_depth: limit('nesting of one JSON Schema in a request to a model', 32, 64),
  model_schema_refs: limit('references ($ref) in one JSON Schema of a request to a model', 256, 10_000, 0),
  told_tools_bytes: limit('descriptions and schemas of an agent’s tools that it is told at its start', MIB, 8 * MIB, 0),
  check_steps: limit(
    'steps in which a host holds arguments or a result against a JSON Schema; what takes more is refused',
    2_000_000,
    100_000_000,
  ),
  log_buffer_bytes: limit('lines of the log of a host that wait for a slow reader; later ones are dropped', 8 * MIB, 64 * MIB),
  tool_frame_bytes: limit('one message between a host and the process of its configured tools', 16 * MIB, 64 * MIB),
  tool_load_ms: limit('time the code of a configuration has to load and to say what tools it offers', 30_000, 600_000),
  tool_wait_ms: limit('time a call waits for the process of its tool, while that is started again', 5_000, 60_000, 0),
  tool_stuck_ms: limit('time the process of configured tools may not answer its host before it is killed', 10_000, 600_000),
  tool_check_ms: limit(
    'time a check of a call’s arguments or answer by patterns and code of its tool may take before the call is refused, or its answer',
    2_000,
    60_000,
  ),
  tool_drain_ms: limit('time calls have to end in a process of tools that is being replaced', 30_000, 3_600_000, 0),
  tool_processes: limit('tenants for which a host has a process of configured tools at once; calls of one more wait', 16, 1_000),
  tool_idle_ms: limit('time a tenant’s process of configured tools is kept without calls, beside those of others', 300_000, 86_400_000),
  tool_memory_mib: limit('resident memory of one process of configured tools', 1_024, 65_536, 64),
  cells_per_tenant: limit('cells one tenant may hold at once', 2, 64),
  loans_waiting: limit('bundles and replays of one tenant that wait for a cell that looks at them; one more is refused', 16, 1_000),
  cell_memory_mib: limit('resident memory of one cell; it takes in no more isolates before it comes to that', 1024, 65_536, 128),
  host_memory_mib: limit(
    'memory of the machine that all cells together must leave to the rest, where the host can make control groups',
    1_024,
    1_048_576,
  ),
  cell_rss_slack_mib: limit('memory a crank may take beyond its run’s ceiling before its cell is killed', 64, 4096),
  load_ms_per_mib: limit('CPU time that loading a bundle may take for each MiB of it; in any case as much as a crank may', 1_000, 20_000),
  crank_slack_ms: limit('how far past its CPU ceiling a crank may be before its cell is killed from outside', 30, 1000),
  crank_wall_ms: limit('time one crank may hold its cell, on CPU or not; frozen time does not count', 10_000, 120_000),
  long_crank_ms: limit(
    'a crank that used more of the CPU gives way to shorter ones, and the other runs of its cell move elsewhere',
    20,
    1000,
  ),
  crank_members: limit('members and items in the values of the effects of one crank', 50_000, 1_000_000),
  crank_names: limit('different names of members in the effects of one crank', 10_000, 1_000_000),
  body_members: limit('members and items in the body of one request', 100_000, 1_000_000),
  body_names: limit('different names of members in the body of one request', 20_000, 1_000_000),
  decide_slice_ms: limit(
    'CPU time for which the effects of one crank are decided at once; other runs have a turn before the rest is decided',
    10,
    1000,
    0,
  ),
  decide_cpu_ms: limit(
    'CPU time that deciding the effects of one crank may take the host; a run whose crank takes more ends',
    2_000,
    60_000,
  ),
  cell_losses: limit(
    'cells that may die under one crank of a run, and times that the crank may be given up because its process was stopped',
    2,
    10,
    0,
  ),
  cancel_grace_ms: limit('time an agent has to tidy up after a cancel', 2_000, 60_000, 0),
  pause_grace_ms: limit('time a run frozen in a crank keeps its cell', 5_000, 600_000, 0),
  park_after_ms: limit('time a run with nothing to do stays in memory', 10_000, 3_600_000, 0),
  admissions: limit('jobs that are written down at once; others wait, and tenants take turns', 48, 10_000),
  admissions_per_tenant: limit('jobs of one tenant that are written down at once while no other tenant submits any', 32, 10_000),
  admissions_per_tenant_shared: limit('jobs of one tenant that are written down at once while other tenants submit jobs too', 2, 10_000),
  tenant_present_ms: limit('time after its last submission for which another tenant counts as submitting jobs', 10_000, 3_600_000, 0),
  runs_in_memory: limit(
    'runs of all tenants in memory; beyond it, tenants have even shares, idle runs are parked and new ones wait in the store',
    4_000,
    100_000,
  ),
  residents: limit('runs of one tenant in memory; others wait in the store for their turn', 2_000, 100_000),
  resident_mib: limit('heap of all isolates together; beyond it, idle ones are given up', 4_096, 1_048_576),
  no_progress_ms: limit(
    'time in which runs have something to do and no crank is completed, after which a host says that it is not ready',
    15_000,
    600_000,
    1_000,
  ),
  spare_isolates: limit('isolates that one cell holds in advance for the next runs of its bundles', 4, 64, 0),
  spare_isolate_ms: limit(
    'time after which an isolate made in advance, or a bundle that no run has needed, is forgotten',
    60_000,
    3_600_000,
    0,
  ),
  cell_idle_ms: limit('time an empty cell is kept for its tenant', 30_000, 3_600_000, 0),
  replay_entries: limit('journal entries replayed at once, before other runs of the cell have a turn', 500, 10_000),
  replay_bytes: limit('text of journal entries replayed at once', 4 * MIB, 64 * MIB),
  replay_cpu_ms: limit('CPU time, as recorded, replayed at once', 1_000, 60_000),
  replay_slack_ms: limit('CPU time a replayed crank may take beyond four times what it took', 100, 10_000),
  node_lease_ms: limit('how long the others wait for a sign of life of a node before they take its runs', 15_000, 600_000, 100),
  payload_grace_ms: limit('how long a large payload is kept that no entry names yet', 3_600_000, 604_800_000, 3_600_000),
  registry_changes: limit('changes of quarantines, services and revocations that are kept for nodes to follow', 10_000, 1_000_000, 1),
  node_margin_ms: limit('how long before its lease runs out a node sends no calls any more', 2_000, 60_000, 10),
  with_next_ms: limit(
    'how long the entry of a crank from which nothing leaves waits at most to be written together with others',
    20,
    1_000,
    0,
  ),
  log_sweep_ms: limit('how long what was committed waits at most before it is appended to the log of the record', 1_000, 60_000),
  log_head_ms: limit('how long a run that keeps moving goes without a leaf in the log that says how far it got', 10_000, 600_000),
  sweep_ms: limit('how often the store is asked for wake-ups that were missed', 1_000, 60_000),
  checkpoint_hint_entries: limit('journal entries after which an agent is advised to checkpoint', 5_000, 10_000_000),
  approval_ms: limit('time people have to decide on a call', 86_400_000, 30 * DAY_MS),
  approvals_per_hour: limit('approvals one person may give in an hour, against tiredness', 60, 1_000),
  grant_depth: limit('length of a chain of derived grants', 64, 64),
  capabilities: limit('capabilities a run may hold', 1_024, 65_536),
  attenuation_bytes: limit('one attenuation as JSON', 8 * 1024, 64 * 1024),
  message_slots: limit('capabilities that one message, or one spawn, may carry', 32, 256),
  program_bytes: limit('a program that an agent makes at run time', 64 * 1024, 256 * 1024),
  handles: limit('handles a run may hold', 1_024, 65_536),
  handle_bytes: limit('values behind the handles of one run, together', 16 * MIB, 256 * MIB),
  tenant_heap_percent: limit(
    'share of the heap of a host that all that is kept for runs of one tenant may come to; from a third of it on, idle runs are parked, new ones wait in the store, and runs with more than an even part are refused calls and messages',
    25,
    90,
  ),
  runs_heap_percent: limit('share of the heap of a host that all that is kept for runs of all tenants together may come to', 50, 90),
  handle_slots: limit('handles in one call, message, spawn, state or output', 64, 256),
  chunk_wait_ms: limit('how long the first part of a stream waits for others, so that they are delivered together', 30, 10_000, 0),
  chunk_parts: limit('parts of a stream that are delivered together', 64, 1_024),
  chunk_bytes: limit('parts of a stream that are delivered together, as JSON, besides the last of them', 16 * 1024, MIB),
  stream_bytes: limit(
    'parts of a stream that wait for their run, as JSON, before its tool has to wait; twice as much ends the stream',
    64 * 1024,
    4 * MIB,
  ),
  stream_parts: limit(
    'number of parts of a stream that wait for their run, before its tool has to wait; twice as many end the stream',
    256,
    10_000,
  ),
  stream_total_bytes: limit('all parts of one stream, as JSON; more end it', 16 * MIB, 1024 * MIB),
  window_wait_ms: limit(
    'how long the first part of a stream that inspectors or policies look at waits for others, so that they are looked at together; longer for a long stream, of which all so far is looked at each time',
    250,
    10_000,
    0,
  ),
  window_bytes: limit(
    'parts of such a stream, as JSON, that are looked at without waiting for more; a quarter of the stream so far, if that is more',
    8 * 1024,
    MIB,
  ),
  held_back_bytes: limit('parts of a stream that are held back until they were looked at, as JSON; more end it', 4 * MIB, 256 * MIB),
  answer_wait_ms: limit(
    'time an answer that may not be asked for again waits for the commit of its crank before it is kept by itself',
    5,
    1_000,
    0,
  ),
  inspector_timeout_ms: limit('how long an inspector is waited for', 2_000, 60_000),
  inspector_request_bytes: limit('one request to an inspector elsewhere', 1024 * 1024, 64 * 1024 * 1024),
  inspector_answer_bytes: limit('one answer of an inspector elsewhere', 64 * 1024, 1024 * 1024),
  inspected_at_once_chars: limit(
    'characters that a built-in inspector looks at on the event loop; more go to a worker thread',
    16_384,
    1_048_576,
  ),
  inspected_chars: limit(
    'characters that a built-in inspector looks at; it says nothing of a larger value',
    8 * 1024 * 1024,
    64 * 1024 * 1024,
  ),
  inspections: limit('questions of one tenant to one inspector that are under way at once; others wait', 16, 1_000),
  drain_abort_ms: limit('time that calls have to answer once a stopping host has aborted them', 1_000, 60_000, 0),
  retry_attempts: limit('attempts at one call', 3, 10),
  retry_base_ms: limit('wait before the second attempt at a call; each further one waits twice as long', 100, 60_000),
  retry_wait_ms: limit('longest wait between two attempts at a call', 10_000, 600_000),
  predicates_per_grant: limit('argument predicates of one attenuation', 16, 64),
  timer_ms: limit('how far ahead a timer may be set', 365 * DAY_MS, 365 * DAY_MS),
  service_key_bytes: limit('the key of a service’s instance', 256, 1024),
  service_depth: limit('turns of services in one causal chain of messages; one more is refused', 64, 1_000),
  instances_per_service: limit('instances that a service of a tenant may have alive; one more is refused', 10_000, 1_000_000),
  reserve_bytes: limit(
    'space that is kept back on the data folder’s disk for stopping runs, at most an eighth of what is free',
    8 * MIB,
    1024 * MIB,
  ),
  mailbox_messages: limit('messages waiting for one run; one more is refused', 1_000, 100_000),
  refusal_rows_per_minute: limit(
    'requests that were refused to principals of one tenant in a minute, or failed log-ins, that are recorded at once, each as a row',
    10,
    1_000,
    0,
  ),
  refusals_counted_per_minute: limit(
    'refusals of a minute that are counted apart, by principal and error, for each tenant; by address for failed log-ins; the rest is counted together',
    40,
    10_000,
  ),
  refusals_counted_per_principal: limit('of them, those of one principal or address; the rest is counted together', 4, 1_000, 2),
} as const satisfies Record<string, Limit>;

export type CeilingName = keyof typeof CEILINGS;
export type BudgetName = keyof typeof BUDGETS;

/** The ceilings of one run; every field is present. */
export type Ceilings = { readonly [K in CeilingName]: number };

export const DEFAULT_CEILINGS: Ceilings = defaults(CEILINGS);

/** CPU time that loading a bundle may take, besides the first crank. @param source the bundle */
export const loadCpuMs = (source: string, { crank_cpu_ms }: Pick<Ceilings, 'crank_cpu_ms'>): number =>
  Math.max(crank_cpu_ms, Math.ceil((source.length / MIB) * MACHINE.load_ms_per_mib.default));

/** Bounds on the sizes of effects. Runs that were admitted before models had one of their own lack that. */
type EffectBounds = Pick<Ceilings, 'message_bytes'> & { readonly model_request_bytes?: number | undefined };
/** The largest call of a model, as JSON. */
export const modelRequestBytes = ({ message_bytes, model_request_bytes = message_bytes }: EffectBounds): number => model_request_bytes;
/** The largest effect of any kind. */
export const largestEffect = (bounds: EffectBounds): number => Math.max(bounds.message_bytes, modelRequestBytes(bounds));
export const DEFAULT_BUDGET: { readonly [K in BudgetName]: number } = defaults(BUDGETS);
/** Default amounts that a spawn moves to the child, as far as the parent has them. */
export const SPAWN_BUDGET: { readonly [K in BudgetName]: number } = {
  cpu_ms: 2_000,
  calls: 100,
  messages: 100,
  bytes: 8 * MIB,
  children: 0,
  tokens: 100_000,
  // Money is moved only if the spawn names it.
  money_micros: 0,
};
export const BUDGET_NAMES = Object.keys(BUDGETS) as BudgetName[];

/** The names of limits in outcomes: without the unit; `crank_cpu_ms` is called `cpu`. */
export const LIMIT_NAMES = [
  'cpu',
  'cpu_total',
  'memory',
  'stack',
  'wall',
  'crank_wall',
  'in_flight',
  'effects',
  'effects_per_crank',
  'crank_members',
  'decide',
  'message_bytes',
  'model_request_bytes',
  'log_bytes',
  'journal_bytes',
  'message_depth',
  'spawn_depth',
  'calls',
  'messages',
  'bytes',
  'children',
  'tokens',
  'money',
  'capabilities',
  'handles',
  'mailbox',
  'service_depth',
  'instances',
  'questions',
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** The limit that an outcome names when this amount of a purse is spent. */
export const LIMIT_OF_BUDGET: { readonly [K in BudgetName]: LimitName } = {
  cpu_ms: 'cpu_total',
  calls: 'calls',
  messages: 'messages',
  bytes: 'bytes',
  children: 'children',
  tokens: 'tokens',
  money_micros: 'money',
};

function defaults<T extends Record<string, Limit>>(table: T): { readonly [K in keyof T]: number } {
  return Object.fromEntries(Object.entries(table).map(([key, row]) => [key, row.default])) as { [K in keyof T]: number };
}

/** Lowers each amount to the limit of the same name, if there is one. */
export function atMost<T extends Readonly<Record<string, number>>>(wanted: T, most: { readonly [K in keyof T]?: number }): T {
  return Object.fromEntries(Object.entries(wanted).map(([name, amount]) => [name, Math.min(amount, most[name] ?? amount)])) as unknown as T;
}
