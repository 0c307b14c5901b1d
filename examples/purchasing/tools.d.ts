/** Tools that the host offers the purchasing crew, with their types. The host's side is packages/cli/src/shop.ts. */
// oxlint-disable-next-line import/no-unassigned-import -- makes this a module, so that what follows adds to the SDK's own table
import '@corral/guest';

declare module '@corral/guest' {
  interface Tools {
    /** Senders of the mails. Trusted: the shop's mail server checks senders against the directory and numbers what comes in. */
    'mail.list': { input: Record<string, never>; output: { mails: { id: number; supplier: string }[] } };
    /** One mail. Untrusted: anybody can have written it. */
    'mail.read': { input: { id: number }; output: { text: string } };
    /** Sends a mail. `to` is a destination. */
    'mail.send': { input: { to: string; text: string }; output: { sent: boolean } };
    /** The directory, with accounts and negotiated terms. Trusted, and private to the shop. */
    'suppliers.list': { input: Record<string, never>; output: { suppliers: { name: string; account: string; terms: string }[] } };
    /** Pays. `to` is a destination, `amount` is money. */
    'payments.send': { input: { to: string; amount: number; reference: string }; output: { payment: number } };
  }
}
