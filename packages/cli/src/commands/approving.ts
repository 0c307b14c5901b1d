/** One person's decision about one call: what it holds for besides, and the token once more where the host asks for it. */
import type { RouteAnswer, RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { connect, type HostFlags } from '../connect.ts';
import { spanArgument } from '../selector.ts';
import { wholeNumber } from '../whole-number.ts';

export interface HoldFlags {
  readonly also?: string;
  readonly uses?: string;
  readonly amount?: string;
  readonly within?: string;
}

type Body = RouteRequest<'decideApproval'>['body'];
type Holds = NonNullable<Extract<Body, { verdict: 'approve' }>['holds']>;

/** @throws CORRAL_USAGE */
export function holdsOf({ also, uses, amount, within }: HoldFlags): Holds | undefined {
  if (also === undefined) {
    const [given] = Object.entries({ uses, amount, within }).find(([, value]) => value !== undefined) ?? [];
    if (given !== undefined) throw new CorralError('CORRAL_USAGE', `--${given} goes with --also.`);
    return undefined;
  }
  if (also !== 'destination' && also !== 'shape')
    throw new CorralError('CORRAL_USAGE', `--also is destination or shape, and not ${also.slice(0, 60)}.`);
  const money = amount === undefined ? undefined : Number(amount);
  if (amount?.trim() === '' || (money !== undefined && !(Number.isFinite(money) && money >= 0)))
    throw new CorralError('CORRAL_USAGE', '--amount is an amount of money, such as 500.');
  return {
    for: also,
    ...(uses === undefined ? {} : { uses: wholeNumber(uses, '--uses') }),
    ...(money === undefined ? {} : { amount: money }),
    ...(within === undefined ? {} : { for_ms: spanArgument('--within', within) }),
  } as Holds;
}

/** The environment, or a person at a terminal, gives the token once more if the host asks for it. */
export async function decided(
  flags: HostFlags,
  params: { readonly run: RunId; readonly call: number },
  body: Body,
): Promise<RouteAnswer<'decideApproval'>> {
  const client = connect(flags);
  const { CORRAL_PROOF = '' } = process.env;
  const given = CORRAL_PROOF === '' || body.verdict === 'deny' ? body : { ...body, proof: CORRAL_PROOF };
  try {
    return await client.decideApproval({ params, body: given });
  } catch (error) {
    const { hasTerminal, hiddenLine } = await import('../ask.ts');
    if (!(error instanceof CorralError) || error.code !== 'CORRAL_PROOF_NEEDED' || body.verdict === 'deny' || !hasTerminal()) throw error;
    process.stderr.write(`${error.message}\n`);
    const proof = await hiddenLine('Your token: ');
    if (proof === '') throw error;
    return client.decideApproval({ params, body: { ...body, proof } });
  }
}
