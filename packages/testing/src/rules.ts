/** The statements of a test besides its fakes. The types that authors see reach no further than this: those of a host need a newer Node. */
import type { ConfigInput } from '@corral/server/config/schema';

/** A call about which a policy or a threshold asks people. */
export interface Asked {
  readonly tool: string;
  readonly input: unknown;
  /** Names of the rules that ask. */
  readonly rules: readonly string[];
  /** How many different people have to approve. */
  readonly quorum: number;
}

export type Answered = Asked & { readonly verdict: 'approve' | 'deny' };

export interface Rules {
  /** `corral.config.ts`: its tools, which are replaced by the fakes, its policies, thresholds and rules about loops hold. */
  readonly config?: string | URL;
  /** The tenant of the configuration; left out: its only one, or `local`. */
  readonly tenant?: string;
  /** As in a configuration, and instead of what it says. Without a configuration, none by default. */
  readonly policies?: ConfigInput['policies'];
  /** As in a configuration, and instead of what it says. */
  readonly risk?: ConfigInput['risk'];
  /** The people's answer to a call about which a policy asks; left out: they deny it. */
  readonly approve?: (asked: Asked) => boolean;
  /** The time at which the test begins, in milliseconds since 1970. Default: the beginning of 2026. */
  readonly now?: number;
}
