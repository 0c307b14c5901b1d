/** What a call does, in a few words: how much and to whom, else its arguments. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { Text } from './text.tsx';

type Call = Pick<RouteAnswer<'listApprovals'>['items'][number], 'does' | 'input' | 'withheld'>;

const CHARS = 80;
const cut = (text: string): string => (text.length > CHARS ? `${text.slice(0, CHARS)}…` : text);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** `75 to ACC-BO`; of a tool that says neither: `to: ACC-BO, amount: 75`. */
export function whatText({ does, input }: Call): string {
  const to = Object.values(does?.destination ?? {}).filter((one) => one !== null);
  const money = does?.money ?? null;
  const said = [...(money === null ? [] : [String(money)]), ...(to.length === 0 ? [] : [`to ${to.map((one) => textOf(one)).join(', ')}`])];
  if (said.length > 0) return cut(said.join(' '));
  const named = typeof input === 'object' && input !== null ? Object.entries(input) : [];
  return cut(named.map(([name, value]) => `${name}: ${textOf(value)}`).join(', '));
}

export function What({ of }: { readonly of: Call }) {
  return of.withheld === undefined ? <Text of={whatText(of)} /> : <span class="dim">withheld</span>;
}
