/** Output and exceptions of a configuration's tools, printed by a command. */
import type { ToolReport } from '@corral/server/config/load';
import { printable } from './screen/table.ts';

export function toStderr({ kind, text, ...more }: ToolReport): void {
  const whose = 'tool' in more && more.tool !== undefined ? `${more.tool}: ` : '';
  const lines = text.split('\n').map((line) => printable(line));
  process.stderr.write(kind === 'output' ? `${lines.join('\n')}\n` : `${whose}${lines.join('\n  ')}\n`);
}
