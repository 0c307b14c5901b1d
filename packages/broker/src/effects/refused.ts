/** How a decision refuses an effect, or puts it off. */
import type { ErrorCode } from '@corral/protocol/errors';
import type { Decision } from '@corral/protocol/model/decision';
import type { Outcome } from '@corral/protocol/model/outcome';

/** The run broke a rule that the SDK never breaks. */
export class Violation extends Error {
  readonly outcome: Outcome;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.outcome = { kind: 'failed', code, message };
  }
}

/** A refusal that the agent gets as an error. */
export class Refused extends Error {
  readonly code: ErrorCode;
  readonly limit: string | undefined;
  readonly more: Partial<Decision>;
  constructor(code: ErrorCode, message: string, limit?: string, more: Partial<Decision> = {}) {
    super(message);
    this.code = code;
    this.limit = limit;
    this.more = more;
  }
}

/** A call for which inspectors have to be asked before it can be decided. */
export class Held extends Error {
  /** Recorded of it until then. */
  readonly more: Partial<Decision>;
  constructor(more: Partial<Decision>) {
    super('Inspectors are asked first.');
    this.more = more;
  }
}
