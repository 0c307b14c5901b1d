/** Parses a cell's reports other than effects. They are validated strictly, because the process is not trusted. */
import { FaultPayload, ReadyPayload } from '@corral/protocol/wire/cell-reports';
import { CorralError } from '@corral/protocol/errors';

/** @throws CORRAL_CELL_PROTOCOL */
function parsed<T>(schema: { parse(value: unknown): T }, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new CorralError('CORRAL_CELL_PROTOCOL', 'A cell sent a report of the wrong shape.');
  }
}

export const readyFrom = (text: string) => parsed(ReadyPayload, text);
export const faultFrom = (text: string) => parsed(FaultPayload, text);
