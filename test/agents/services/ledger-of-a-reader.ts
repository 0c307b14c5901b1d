/** Its clerk reads a stranger's mail first where its input says so. */
import { clerkOf, ledgerWith } from './ledger.ts';

export default clerkOf(ledgerWith({}), { mail: 'tool:mail' });
