/** Helpers of agents that report what became of their calls, and of capabilities that came in messages. */
import type { Capability } from '@corral/guest';

/** `ok`, or the code of the error. */
export const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error as { code: string }).code,
  );

/** A capability that came in a message, whose type its receiver cannot know. */
export type Given = Capability<object, unknown>;
