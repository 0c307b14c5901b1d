/** The properties of each part of a run's view. */
import type { RouteAnswer } from '@corral/protocol/api/routes';

type RunDetail = RouteAnswer<'showRun'>;
export type RunId = RunDetail['run'];
export interface TabProps {
  readonly run: RunDetail;
}
export interface CallProps extends TabProps {
  readonly of: RouteAnswer<'runCalls'>['items'][number];
  /** Reads the calls again. */
  readonly again: () => void;
}
