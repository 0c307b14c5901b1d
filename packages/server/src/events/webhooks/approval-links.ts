/**
 * Links to approvals, in notifications that people are asked. A link is signed with the secret of its receiver when it is sent, so that it is kept
 * nowhere; it names one call in one version, expires, and is good for one decision. It is in the fragment of an address of the console: to open it
 * does nothing, and sends it to nobody.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { CorralError } from '@corral/protocol/errors';

const Linked = z.strictObject({
  run: z.string().max(100),
  call: z.int(),
  version: z.string().max(100),
  /** The key of the receiver. */
  hook: z.string().max(200),
  /** Milliseconds since 1970. */
  until: z.number(),
});
export type Linked = z.infer<typeof Linked>;

const PURPOSE = 'approval link';
const macOf = (secret: string, text: string): Buffer => createHmac('sha256', secret).update(`${PURPOSE}.${text}`).digest();

export const linkOf = (secret: string, linked: Linked): string => signed(secret, textOf(linked));

const textOf = (linked: Linked): string => Buffer.from(JSON.stringify(linked)).toString('base64url');
const signed = (secret: string, text: string): string => `${text}.${macOf(secret, text).toString('base64url')}`;

/** Stands in a queued notification in the place of a link. */
const UNSIGNED = '#sign=';
/** Puts the place of a link behind the address of a view, in the one part of a notification that only the host writes. */
export const withPlace = (body: string, linked: Linked): string => changed(body, (address) => `${address}${UNSIGNED}${textOf(linked)}`);

/** A queued notification with its link. @param secret of its receiver; undefined: this host takes no links any more */
export const withLink = (body: string, secret: string | undefined): string =>
  body.includes(UNSIGNED)
    ? changed(body, (address) => {
        const [view = '', text] = address.split(UNSIGNED);
        return text === undefined || secret === undefined ? view : `${view}#approve=${signed(secret, text)}`;
      })
    : body;

interface Message {
  link?: string;
  readonly blocks?: readonly { readonly type: string; readonly elements?: { url?: string }[] }[];
}

/** Changes the address of the view: `link`, or the button of a message for Slack. Other texts may be an agent's, and are left as they are. */
function changed(body: string, change: (address: string) => string): string {
  const message = JSON.parse(body) as Message;
  if (message.link !== undefined) message.link = change(message.link);
  const button = message.blocks?.find(({ type }) => type === 'actions')?.elements?.[0];
  if (button?.url !== undefined) button.url = change(button.url);
  return JSON.stringify(message);
}

/** By what the use of a link is recorded. */
export const linkDigest = (link: string): string => hash('sha256', link);

const refused = () =>
  new CorralError('CORRAL_LINK_REFUSED', 'The link is not one of this host, or its receiver has another secret by now.');

/**
 * @param secretOf the secret of a receiver, by its key; undefined if there is no such receiver any more
 * @throws CORRAL_LINK_REFUSED
 */
export async function linkedBy(link: string, now: number, secretOf: (hook: string) => Promise<string | undefined>): Promise<Linked> {
  const [text = '', mac = ''] = link.split('.');
  const linked = Linked.safeParse(parsed(text)).data;
  const secret = linked === undefined ? undefined : await secretOf(linked.hook);
  if (linked === undefined || secret === undefined) throw refused();
  const [given, wanted] = [Buffer.from(mac, 'base64url'), macOf(secret, text)];
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw refused();
  if (linked.until <= now) throw new CorralError('CORRAL_LINK_REFUSED', 'The link has expired.');
  return linked;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
