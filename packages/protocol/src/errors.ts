/**
 * The table of errors. An error crosses every boundary as data, `{ code, message, hint, … }`, and becomes an object of its class
 * again on the other side. This file is imported by guests and cells, so it imports no libraries.
 */

/** The person who must act: the agent's author, the host's operator, or Corral's developers. */
export type Audience = 'guest' | 'operator' | 'bug';

/** Classes that agents see. All other errors are plain CorralErrors. */
export type ErrorClass =
  | 'Denied'
  | 'ApprovalExpired'
  | 'BudgetExceeded'
  | 'Revoked'
  | 'InvalidArguments'
  | 'ToolFailed'
  | 'TimedOut'
  | 'Unknown'
  | 'StreamLost';

interface ErrorRow {
  readonly audience: Audience;
  readonly hint: string;
  readonly class?: ErrorClass;
  readonly retryable?: true;
}

export const ERRORS = {
  // Calls, as agents see them
  CORRAL_DENIED: {
    audience: 'guest',
    class: 'Denied',
    hint: 'Ask the owner of the agent which rule applied; the decision is in the run’s journal.',
  },
  CORRAL_APPROVAL_DENIED: { audience: 'guest', class: 'Denied', hint: 'A person denied the call; go on without it.' },
  CORRAL_APPROVAL_EXPIRED: { audience: 'guest', class: 'ApprovalExpired', hint: 'Nobody decided in time; the call may be made again.' },
  CORRAL_CALL_GIVEN_UP: {
    audience: 'guest',
    hint: 'The call was given up before it was made; make it again if it is needed.',
  },
  CORRAL_PROFILE_UNKNOWN: { audience: 'operator', hint: 'Learn one from approved runs with `corral profile learn AGENT -m WHY`.' },
  CORRAL_AGENT_RESTS: {
    audience: 'guest',
    retryable: true,
    hint: 'Its runs kept failing: `corral why RUN` says why, for each of them. Fix it or deploy another version, or try again later.',
  },
  CORRAL_TOOL_SUSPENDED: {
    audience: 'operator',
    hint: 'Read what changed with `corral tools review SOURCE`, and accept it there if it is meant to be so.',
  },
  CORRAL_TOOLS_CHANGED: {
    audience: 'operator',
    hint: 'Nothing was accepted. Read the differences once more: `corral tools review SOURCE`.',
  },
  CORRAL_QUARANTINED: { audience: 'operator', hint: 'Lift the quarantine once its reason is gone.' },
  CORRAL_APPROVER: {
    audience: 'operator',
    hint: 'Another person must decide this: the one that is named, or else anybody with the role `approver`, for whom `corral token create NAME --role approver` makes a token.',
  },
  CORRAL_CHANGED: { audience: 'operator', hint: 'Look at it as it is now, and decide again.' },
  CORRAL_PROOF_NEEDED: {
    audience: 'operator',
    hint: 'Show your token once more: the console asks for it, `corral approve` asks at a terminal or reads $CORRAL_PROOF, the API takes `proof`.',
  },
  CORRAL_LINK_REFUSED: {
    audience: 'operator',
    hint: 'Decide in the console instead: a link is good once, for the call as it was shown, and for a limited time.',
  },
  CORRAL_CLAIMED: { audience: 'operator', hint: 'Let them decide, or take it over from them.' },
  CORRAL_ANSWER_INVALID: {
    audience: 'operator',
    hint: 'Answer as the question asks; `corral questions` shows what it takes. It still waits.',
  },
  CORRAL_GRANT_PREDICATE: { audience: 'guest', class: 'Denied', hint: 'Keep the arguments within what the capability was attenuated to.' },
  CORRAL_GRANT_SPENT: { audience: 'guest', class: 'Denied', hint: 'Ask for a capability with more uses.' },
  CORRAL_GRANT_EXPIRED: { audience: 'guest', class: 'Denied', hint: 'Ask for a capability that lasts longer.' },
  CORRAL_GRANT_RIGHT: {
    audience: 'guest',
    class: 'Denied',
    hint: 'The capability does not carry this right; ask the run that gave it for one that does.',
  },
  CORRAL_GRANT_RATE: {
    audience: 'guest',
    class: 'Denied',
    retryable: true,
    hint: 'Wait; the capability allows a limited number of uses a minute.',
  },
  CORRAL_GRANT_LABEL: {
    audience: 'guest',
    class: 'Denied',
    hint: 'The capability is only for runs that have read nothing a stranger wrote; let a child that reads nothing use it.',
  },
  CORRAL_GRANT_UNKNOWN: { audience: 'operator', hint: 'Check the id; `corral authority RUN` shows the grants of a run.' },
  CORRAL_TOOL_UNKNOWN: {
    audience: 'operator',
    hint: 'Check the name: `corral authority AGENT` lists what an agent may use, and `GET /v1/tools` what the host offers.',
  },
  CORRAL_REVOKED: { audience: 'guest', class: 'Revoked', hint: 'The capability was revoked; finish without it.' },
  CORRAL_BUDGET_EXCEEDED: {
    audience: 'guest',
    class: 'BudgetExceeded',
    hint: 'Raise the limit that is named, or do less, or less at once: amounts of the budget at submit or spawn, ceilings in the agent’s `ceilings`.',
  },
  CORRAL_SPEND_EXCEEDED: {
    audience: 'guest',
    class: 'BudgetExceeded',
    retryable: true,
    hint: 'See `corral spend`. Raise the limit in the configuration or wait for the next day or month (UTC), then `corral resume` the paused runs.',
  },
  CORRAL_ARGS_INVALID: { audience: 'guest', class: 'InvalidArguments', hint: 'Compare the arguments with the tool’s input schema.' },
  CORRAL_TOOL_FAILED: { audience: 'guest', class: 'ToolFailed', hint: 'The tool itself reported this; see its message.' },
  CORRAL_RESULT_INVALID: { audience: 'operator', class: 'ToolFailed', hint: 'The tool broke its own output schema; fix the tool.' },
  CORRAL_RESULT_TOO_LARGE: {
    audience: 'guest',
    class: 'ToolFailed',
    hint: 'Ask the tool for less at a time, take a handle to the result (`caps.NAME.handle(…)`) and open parts of it, or raise `ceilings: { message_bytes }` of the agent.',
  },
  CORRAL_MEMORY_FULL: {
    audience: 'guest',
    class: 'ToolFailed',
    hint: 'Nothing was written. Delete what is not needed, give entries a `ttl_ms`, or have an operator raise the bound: `memory` in the configuration, of the host or of the tenant. `corral memory ls` shows what is used.',
  },
  CORRAL_MEMORY_PRIVATE: {
    audience: 'guest',
    class: 'Denied',
    hint: 'It was kept in a run for another person, and is private. `scope: "person"` gives each person a memory of their own; `shares` names the private data that all may read.',
  },
  CORRAL_MEMORY_UNAVAILABLE: {
    audience: 'operator',
    retryable: true,
    hint: 'Nothing was read or written. The log of the host says why its memory.db cannot be used.',
  },
  CORRAL_MEMORY_LEFT: {
    audience: 'operator',
    retryable: true,
    hint: 'Remove the rest with `corral memory rm` and the same choice; after `corral erase` that is `--run`. The record of operations says what was removed.',
  },
  CORRAL_MEMORY_UNKNOWN: { audience: 'operator', hint: 'See `corral memory ls` for what there is.' },
  CORRAL_HOST_MEMORY: {
    audience: 'guest',
    class: 'BudgetExceeded',
    retryable: true,
    hint: 'Let go of handles, await calls that are under way, or try again later.',
  },
  CORRAL_TOOL_BUSY: { audience: 'guest', class: 'ToolFailed', retryable: true, hint: 'Try again later.' },
  CORRAL_TIMED_OUT: { audience: 'guest', class: 'TimedOut', retryable: true, hint: 'Give the call a longer timeout_ms or ask for less.' },
  CORRAL_UNKNOWN_RESULT: {
    audience: 'guest',
    class: 'Unknown',
    hint: 'The effect may or may not have happened; check before you repeat it.',
  },
  CORRAL_STREAM_LOST: {
    audience: 'guest',
    class: 'StreamLost',
    hint: 'Parts of the answer were delivered, so it is not asked for again. Go on with these, or ask once more.',
  },
  CORRAL_STREAM_UNSUPPORTED: {
    audience: 'guest',
    class: 'InvalidArguments',
    hint: 'Call the tool instead: this one answers as a whole.',
  },
  CORRAL_CHECKPOINT_BUSY: { audience: 'guest', hint: 'Await every call and child first, then checkpoint.' },
  CORRAL_RECIPIENT_ENDED: { audience: 'guest', class: 'Denied', hint: 'The run this message was for has ended.' },
  CORRAL_MAILBOX_FULL: {
    audience: 'guest',
    class: 'Denied',
    retryable: true,
    hint: 'The receiver has too many messages waiting; wait for it to read some.',
  },

  // Agents that break the rules of the bus
  CORRAL_CAP_FORGED: { audience: 'guest', hint: 'Use only capabilities that the run was given; an index gives no authority.' },
  CORRAL_CAP_NOT_GRANTED: { audience: 'guest', hint: 'Name the capability in the agent’s `uses`, and have the host grant it.' },
  CORRAL_EFFECT_INVALID: { audience: 'guest', hint: 'Use the SDK; if you did, report this as a bug.' },
  CORRAL_EFFECT_TOO_LARGE: { audience: 'guest', hint: 'Send less at a time, or raise `ceilings: { message_bytes }` of the agent.' },
  CORRAL_JSON_UNSUPPORTED: {
    audience: 'guest',
    class: 'InvalidArguments',
    hint: 'Arguments and results are JSON: no functions, symbols, bigints, NaN, maps, sets, bytes or cycles, at most 64 levels deep.',
  },

  // Agents that fail
  CORRAL_API_MISSING: {
    audience: 'guest',
    hint: 'Use another entry of the package that the message names, or give the agent a capability for what it does.',
  },
  CORRAL_AGENT_THREW: { audience: 'guest', hint: 'The agent threw; `corral show RUN` has its message and stack.' },
  CORRAL_UNHANDLED_REJECTION: { audience: 'guest', hint: 'Await or catch every promise.' },
  CORRAL_INPUT_INVALID: { audience: 'guest', hint: 'Compare the input with the agent’s input schema.' },
  CORRAL_OUTPUT_INVALID: { audience: 'guest', hint: 'The agent’s result does not fit its own output schema.' },
  CORRAL_STALLED: { audience: 'guest', hint: 'The run waited for something that could never arrive.' },
  CORRAL_CELL_CRASHED: {
    audience: 'operator',
    hint: 'The cell died during this run’s crank; the end of its error output is in the outcome.',
  },
  CORRAL_CELL_PROTOCOL: {
    audience: 'operator',
    hint: 'The cell sent what a correct cell never sends; it was killed. Treat the agent as hostile.',
  },
  CORRAL_CELL_CALL: {
    audience: 'operator',
    hint: 'A correct cell never makes this system call, so somebody else’s code ran in it. Treat the agent as hostile.',
  },

  // Bundles, manifests, submits
  CORRAL_BUNDLE_INVALID: { audience: 'guest', hint: 'Fix the error it names and bundle again.' },
  CORRAL_BUNDLE_TOO_LARGE: { audience: 'guest', hint: 'Leave out code that the agent does not need at run time.' },
  CORRAL_MANIFEST_INVALID: { audience: 'guest', hint: 'Compare the definition with the SDK’s types.' },
  CORRAL_SCHEMA_INVALID: {
    audience: 'guest',
    hint: 'Use a schema that can be written as JSON Schema, within the limits on size and depth.',
  },
  CORRAL_CAP_UNKNOWN: {
    audience: 'guest',
    hint: 'A host offers the tools of its configuration under `tools`, and deployed services; `corral run` offers the tools that its flags name. `corral types` lists the tools of a host.',
  },
  CORRAL_INPUT_TOO_LARGE: { audience: 'guest', hint: 'Pass a capability that reads the data instead.' },
  CORRAL_AGENT_UNKNOWN: { audience: 'guest', hint: 'Deploy the agent first, and check its name.' },
  CORRAL_CODE_NOT_ASKED: {
    audience: 'guest',
    hint: 'Write `code: true` in the agent’s definition and deploy it. A program that an agent made may not run another one.',
  },
  CORRAL_PROGRAM_INVALID: {
    audience: 'guest',
    hint: 'A program is the body of an async function: statements and `return`, without `import` and `export`. Give the message to whoever wrote it.',
  },
  CORRAL_RUN_UNKNOWN: { audience: 'operator', hint: 'Check the id; ended runs stay listed until they are erased.' },
  CORRAL_PREVIEW_STALE: {
    audience: 'operator',
    hint: 'Look at what it would do now with a dry run, and send its `preview` along.',
  },
  CORRAL_RUN_STATE: { audience: 'operator', hint: 'This cannot be done in the present state of the run; `corral show RUN` shows it.' },
  CORRAL_FIXTURE_TOO_LARGE: {
    audience: 'operator',
    hint: 'Take a shorter run of the agent for a test; `corral calls RUN` and `corral journal RUN` read this one page by page.',
  },
  CORRAL_FORK_IMPOSSIBLE: { audience: 'operator', hint: 'Fork it at an earlier crank; `corral journal` lists them.' },
  CORRAL_UPGRADE_DIFFERS: {
    audience: 'operator',
    hint: 'Leave the run on its version, or upgrade it after its next checkpoint; `corral upgrade-check` tries all runs of an agent.',
  },
  CORRAL_USAGE: { audience: 'operator', hint: 'See --help.' },
  CORRAL_FAKE_UNKNOWN: {
    audience: 'operator',
    hint: 'Give the configuration that tool, or take the fake out of the test; a test of an agent that is gone can go too.',
  },

  // The front door
  CORRAL_UNAUTHENTICATED: { audience: 'operator', hint: 'Give a token that is valid here: `corral token create` makes one.' },
  CORRAL_FORBIDDEN: { audience: 'operator', hint: 'Ask an admin for a role that allows this; the reference lists roles and operations.' },
  CORRAL_WITHHELD: {
    audience: 'operator',
    hint: 'Ask the people that the label names; an admin may give a reason, which is recorded: `--private-reason WHY`.',
  },
  CORRAL_ORIGIN_REFUSED: {
    audience: 'operator',
    hint: 'Call the address Corral listens on, or name the host in door.hosts of the configuration.',
  },
  CORRAL_ROUTE_UNKNOWN: { audience: 'operator', hint: 'See /openapi.json for all routes.' },
  CORRAL_REQUEST_INVALID: {
    audience: 'operator',
    hint: 'Compare the request with /openapi.json; `errors` names each fault and its place.',
  },
  CORRAL_REQUEST_TOO_LARGE: { audience: 'operator', hint: 'Send less at once; the limits are in the configuration reference.' },
  CORRAL_RATE_LIMITED: { audience: 'operator', retryable: true, hint: 'Wait as long as Retry-After says, then send again.' },
  CORRAL_QUEUE_FULL: {
    audience: 'operator',
    retryable: true,
    hint: 'Wait until runs have ended, or have an admin raise the tenant’s queue.',
  },
  CORRAL_IDEMPOTENCY_MISMATCH: { audience: 'operator', hint: 'Use a new Idempotency-Key for another request.' },
  CORRAL_TENANT_UNKNOWN: { audience: 'operator', hint: 'Name a tenant of the configuration, with --tenant or `tenant` of the request.' },
  CORRAL_VERSION_UNKNOWN: { audience: 'operator', hint: 'List versions and aliases with `corral agents`.' },
  CORRAL_TOKEN_TAKEN: { audience: 'operator', hint: 'Choose another name, or revoke the token that has it; see `corral token list`.' },
  CORRAL_WEBHOOK_UNKNOWN: { audience: 'operator', hint: 'See `corral webhooks list`.' },
  CORRAL_TOKEN_UNKNOWN: { audience: 'operator', hint: 'List tokens with `corral token list`.' },
  CORRAL_SCHEDULE_UNKNOWN: { audience: 'operator', hint: 'List schedules with `corral schedule list`.' },
  CORRAL_SCHEDULE_INVALID: { audience: 'operator', hint: 'Use a cron expression of five fields, such as `0 6 * * 1-5`.' },
  CORRAL_CONFIG_INVALID: { audience: 'operator', hint: 'Fix what it names and try again.' },
  CORRAL_SECRET_MISSING: {
    audience: 'operator',
    hint: 'Set the variable or file of the secret on Corral’s machine; its value is read at each call.',
  },
  CORRAL_SECRET_DENIED: {
    audience: 'operator',
    hint: 'Bind the secret to the caller, by `for` in `secrets` of the configuration; see `corral secret list` for what expired or was revoked.',
  },
  CORRAL_LOGIN_NEEDED: { audience: 'operator', class: 'ToolFailed', hint: 'Sign the host in with the command that the message names.' },
  CORRAL_LOGIN_REFUSED: { audience: 'operator', hint: 'Nothing was kept; begin again with `corral tools login NAME`.' },
  CORRAL_LOGIN_UNKNOWN: {
    audience: 'operator',
    hint: 'Begin again with `corral tools login NAME`; a login waits ten minutes, for one answer.',
  },
  CORRAL_SECRET_UNKNOWN: { audience: 'operator', hint: 'List secrets and their accounts with `corral secret list`.' },
  CORRAL_ADDRESS_UNSAFE: {
    audience: 'operator',
    hint: 'Give --tls-cert and --tls-key, or --plaintext if a proxy in front of Corral does TLS.',
  },
  CORRAL_SERVICE_TAKEN: {
    audience: 'operator',
    hint: 'Give the service another name, or deploy it with the agent that it belongs to.',
  },
  CORRAL_ADDRESS_TAKEN: { audience: 'operator', hint: 'Choose another --port, or stop the program that listens there.' },
  CORRAL_UNREACHABLE: {
    audience: 'operator',
    retryable: true,
    hint: 'Start it with `corral up`, or name another with --data or --url. Without a host, `corral ps`, `why`, `journal`, `replay`, `verify` and `backup` read its data folder.',
  },

  // The host
  CORRAL_POLICY_INVALID: { audience: 'operator', hint: 'Run `corral policy check`; it names each fault with its file and line.' },
  CORRAL_DATA_LOCKED: {
    audience: 'operator',
    hint: 'Stop the host on this data folder first and start it again afterwards, or choose another folder with --data.',
  },
  CORRAL_DATA_UNUSABLE: { audience: 'operator', hint: 'Give --data a folder that this user may write to.' },
  CORRAL_DATA_CORRUPT: { audience: 'operator', hint: 'Restore the folder from a backup; keep the damaged one for analysis.' },
  CORRAL_KEYS_MISSING: {
    audience: 'operator',
    hint: 'Put back the key file or master key that this folder was made with; without it nothing in the folder can be read.',
  },
  CORRAL_KEYS_WRONG: { audience: 'operator', hint: 'Give the master key that this folder was made with, and older ones after it.' },
  CORRAL_JOURNAL_PRUNED: { audience: 'operator', hint: 'Its tenant’s retention has passed; the outcome and the hash chain are kept.' },
  CORRAL_RUN_ERASED: { audience: 'operator', hint: 'Its key was destroyed on request; only its hash chain is left.' },
  CORRAL_FOLDER_NOT_EMPTY: { audience: 'operator', hint: 'Name a folder that is empty or does not exist yet.' },
  CORRAL_BACKUP_INVALID: { audience: 'operator', hint: 'Use another backup; this one is incomplete or was changed after it was made.' },
  CORRAL_DATA_VERSION: { audience: 'operator', hint: 'Run the Corral that wrote this folder, or a newer one.' },
  CORRAL_DISK_FULL: { audience: 'operator', retryable: true, hint: 'Free space on the data folder’s disk; accepted work is kept.' },
  CORRAL_JOURNAL_DAMAGED: {
    audience: 'operator',
    hint: 'The run is quarantined and the others go on; see `corral verify`, restore it from a backup, or end it with `corral kill`.',
  },
  CORRAL_EPOCH_STALE: { audience: 'operator', hint: 'Another supervisor owns this run now; no action is needed.' },
  CORRAL_LEASE_LOST: {
    audience: 'operator',
    retryable: true,
    hint: 'Other nodes go on with its runs, and it joins again by itself; if that happens often, look at how long its store takes to answer.',
  },
  CORRAL_SPENT_ELSEWHERE: {
    audience: 'operator',
    retryable: true,
    hint: 'Another node used up the capability or the account first; the run decides again by itself, and its agent is refused.',
  },
  CORRAL_RUN_HELD: {
    audience: 'operator',
    retryable: true,
    hint: 'Give the command to the node that holds the run, or try again later; `kill` works from every node.',
  },
  CORRAL_IMAGE_MISSING: { audience: 'operator', hint: 'Run `npm run build`.' },
  CORRAL_WALLS_MISSING: { audience: 'operator', hint: 'Turn the wall on as `corral doctor` says, or leave it out of --require-walls.' },
  CORRAL_ONE_WALL: {
    audience: 'operator',
    hint: 'Install bubblewrap (`corral doctor` says what is missing), or say --one-wall if every agent of this host is trusted.',
  },
  CORRAL_CELL_START: { audience: 'operator', hint: 'Run `corral doctor`.' },
  CORRAL_STARTING: { audience: 'operator', retryable: true, hint: 'Wait a moment; `GET /readyz` answers 200 once work is taken.' },
  CORRAL_STOPPING: { audience: 'operator', retryable: true, hint: 'Corral is shutting down; try again once it is back.' },
  CORRAL_TELEMETRY_OFF: { audience: 'operator', hint: 'Set `telemetry: {}` in the configuration and start the host again.' },
  CORRAL_TELEMETRY_LOST: { audience: 'operator', retryable: true, hint: 'See the log of the host; its runs go on without telemetry.' },
  CORRAL_REDIS_UNREACHABLE: {
    audience: 'operator',
    retryable: true,
    hint: 'Start Redis, or correct its address (`wakeups.redis`, $CORRAL_REDIS_URL). Until then every run is found by the sweep, up to a second later.',
  },
  CORRAL_REDIS_REFUSED: {
    audience: 'operator',
    hint: 'Correct the user, the password or what Redis names. Until then every run is found by the sweep, up to a second later.',
  },
  CORRAL_REDIS_EVICTS: {
    audience: 'operator',
    hint: 'Set `maxmemory-policy noeviction` on this Redis. With another policy hints may be lost; their runs are found by the sweep.',
  },
  CORRAL_FRAME_INVALID: { audience: 'bug', hint: 'Report this with the log around it.' },
  CORRAL_INTERNAL: { audience: 'bug', hint: 'Report this with the log around it.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** An error as data, as it crosses a boundary. */
export interface ErrorData {
  readonly code: ErrorCode;
  /** One sentence, without values that could be secret. */
  readonly message: string;
  readonly hint: string;
  readonly retryable: boolean;
  /** The SDK's class for it; absent: CorralError. */
  readonly class?: ErrorClass;
  /** The call that failed, by the run's numbering of effects. */
  readonly call?: number;
  /** For CORRAL_BUDGET_EXCEEDED: which limit. */
  readonly limit?: string;
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}

/** Makes the data of an error. Hint and class come from the table. */
export function errorData(code: ErrorCode, message: string, more: { call?: number; limit?: string } = {}): ErrorData {
  const row: ErrorRow = ERRORS[code];
  return {
    code,
    message,
    hint: row.hint,
    retryable: row.retryable === true,
    ...(row.class === undefined ? {} : { class: row.class }),
    ...more,
  };
}

/** Every error that Corral itself raises, on the host's side. */
export class CorralError extends Error {
  override readonly name: string = 'CorralError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable: boolean;
  readonly call: number | undefined;
  readonly limit: string | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; call?: number; limit?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const row: ErrorRow = ERRORS[code];
    this.code = code;
    this.hint = row.hint;
    this.retryable = row.retryable === true;
    this.call = options.call;
    this.limit = options.limit;
  }

  static from(data: ErrorData): CorralError {
    return new CorralError(data.code, data.message, {
      ...(data.call === undefined ? {} : { call: data.call }),
      ...(data.limit === undefined ? {} : { limit: data.limit }),
    });
  }

  get audience(): Audience {
    return ERRORS[this.code].audience;
  }

  toJSON(): ErrorData {
    return errorData(this.code, this.message, {
      ...(this.call === undefined ? {} : { call: this.call }),
      ...(this.limit === undefined ? {} : { limit: this.limit }),
    });
  }
}
