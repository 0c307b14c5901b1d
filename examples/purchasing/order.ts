/** Input and output of the crew; the same for both of its forms. */
import * as z from 'zod/mini';

export const Order = z.object({
  /** The principal's words. They are what the bus compares an agent's calls with. */
  task: z.string(),
  quantity: z.int(),
  reference: z.string(),
});

export const Purchase = z.object({
  supplier: z.string(),
  total: z.number(),
  /** Number of the payment in the shop's ledger. */
  payment: z.number(),
  /** A call that was refused, with the code of the refusal. */
  refused: z.array(z.object({ call: z.string(), code: z.string() })),
});

/** The price of one piece as a mail states it, in EUR; 0 where it states none. */
export function priceIn(text: string): number {
  return Number(/(\d+(?:\.\d+)?) EUR a piece/.exec(text)?.[1] ?? 0);
}

export function cheapest<Offer extends { readonly price: number }>(offers: readonly Offer[]): Offer {
  const [best] = offers.filter(({ price }) => price > 0).toSorted((a, b) => a.price - b.price);
  if (best === undefined) throw new Error('Nobody offered anything.');
  return best;
}
