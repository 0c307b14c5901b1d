/** Amounts that a host reserved for a call, by the journal of its run. */
import type { Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';

interface Reserved {
  readonly tokens: number;
  readonly money_micros: number;
}

/** @throws Error if nothing was reserved for a call of the run @returns the amounts of the first one */
export async function reservedBy(admin: Client, run: RunId): Promise<Reserved> {
  const { items } = await admin.runJournal({ params: { run }, query: {} });
  const decisions = items.flatMap((entry) => entry.decisions as readonly { readonly reserved?: Reserved }[]);
  const reserved = decisions.find((one) => one.reserved !== undefined)?.reserved;
  if (reserved === undefined) throw new Error(`Nothing was reserved for a call of ${run}.`);
  return reserved;
}
