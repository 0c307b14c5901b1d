/** Its service may call a tool. */
import { clerkOf, ledgerWith } from './ledger.ts';

export default clerkOf(ledgerWith({ look: 'tool:look' }));
