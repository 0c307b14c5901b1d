/** The tools that the agents about endorsing and declassifying use. */
import { uses as reading } from '../handles/uses.ts';

export const uses = { ...reading, endorse: 'tool:label.endorse', declassify: 'tool:label.declassify' } as const;
