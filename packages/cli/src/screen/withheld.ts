/** The text in place of data that its label withholds from the caller. Names in a label are those of a configuration, or a tool's. */
import type { Withheld } from '@corral/protocol/api/withheld';
import { printable } from './table.ts';

export const withheldText = ({ why, ask }: Withheld): string => printable(`withheld: ${why} ${ask}`);
