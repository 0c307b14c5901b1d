/** The closures against the engine on 100,000 random decisions. */
import { describe } from 'vitest';
import { closuresAgree } from './fixtures/agreement.ts';

describe('closures and Cedar’s engine', () => {
  closuresAgree(20);
});
