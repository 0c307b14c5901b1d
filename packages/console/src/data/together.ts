/** Calls that a person may decide about in one list. */
import type { RouteAnswer } from '@corral/protocol/api/routes';

type Approval = RouteAnswer<'listApprovals'>['items'][number];

/** Longest value that is shown whole in a row. */
export const VALUE_CHARS = 400;

/** Whether all that a person decides by fits into a row. A label is lowered by a decision of its own; the arguments of a withheld call are null. */
export const fitsRow = ({ lowers, input }: Pick<Approval, 'lowers' | 'input'>): boolean =>
  lowers === undefined && isFields(input) && Object.values(input).every((value) => (JSON.stringify(value) ?? '').length <= VALUE_CHARS);

const isFields = (input: unknown): input is Record<string, unknown> => typeof input === 'object' && input !== null && !Array.isArray(input);
