/** The closures against the engine on 10,000 random decisions; 100,000 of them are in oracle.long.test.ts. */
import { describe } from 'vitest';
import { closuresAgree } from './fixtures/agreement.ts';

describe('closures and Cedar’s engine', () => {
  closuresAgree(2);
});
