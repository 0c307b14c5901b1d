/** What each part of a run's view is given. */
import type { RouteAnswer } from '@corral/protocol/api/routes';

type RunDetail = RouteAnswer<'showRun'>;
export type RunId = RunDetail['run'];
export interface TabProps {
  readonly run: RunDetail;
}
