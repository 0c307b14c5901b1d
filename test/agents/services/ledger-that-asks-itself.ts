/** Its service may write to itself. */
import { clerkOf, ledgerWith } from './ledger.ts';

export default clerkOf(ledgerWith({ self: 'service:ledger' }));
