/** The scene of `corral demo`, as the front door needs it. Only the process that such a demo starts gives one to its host. */
import type { Principal } from '@corral/protocol/api/roles';
import type { SceneAct, SceneView } from '@corral/protocol/api/scene';
import type { Submission } from './jobs/submissions.ts';

/** The name of the token behind a visitor's session. */
export const VISITOR = 'visitor';

export interface SceneJob {
  readonly job: Submission;
  /** The principal who submits it. It is not the visitor, because nobody may approve calls of the runs that they submitted. */
  readonly by: string;
}

export interface ScenePort {
  view(): Promise<SceneView>;
  /** @returns jobs to submit, in this order */
  act(act: SceneAct): Promise<readonly SceneJob[]>;
  /** The principal for whom the code of a link stands, once. */
  visitor(code: string): Promise<Principal | undefined>;
}
