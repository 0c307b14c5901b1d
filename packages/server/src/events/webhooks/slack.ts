/**
 * A notification as a message for an incoming webhook of Slack. Texts of others stand in text objects that Slack does not read as
 * markup, and are escaped besides, so no text of an agent makes a link, a mention or a format.
 *
 * Source: docs.slack.dev/reference/block-kit (limits of blocks), docs.slack.dev/messaging/formatting-message-text (escaping)
 */
import type { Json } from '@corral/protocol/json';
import type { Notice } from './notice.ts';

/** Characters that Slack takes in each place, and fields in one section. */
export const SLACK = { header: 150, field: 2000, fields: 10, url: 3000, fallback: 3000 } as const;
/** More of one value is not read in a message; the link leads to the rest. */
const VALUE = 500;
const MORE = '…';

/** Controls, formats and all that a font shows nothing for, which could turn or hide parts of a text. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]+/gu;
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** @param most characters of the result; a longer text is cut, before and not within an entity */
export function escaped(text: string, most: number): string {
  const pieces = Array.from(text.toWellFormed().replace(HIDDEN, ' '), (char) => ENTITIES[char] ?? char);
  const whole = pieces.join('');
  if (whole.length <= most) return whole;
  let out = '';
  for (const piece of pieces) {
    if (out.length + piece.length + MORE.length > most) break;
    out += piece;
  }
  return `${out}${MORE}`;
}

const plain = (text: string, most: number) => ({ type: 'plain_text', text: escaped(text, most), emoji: false });

/** @param link the view of the console about it @param at milliseconds since 1970 */
export function slackMessage({ title, facts }: Notice, link: string | undefined, at: number): Json {
  const fields = facts.map(([name, value]) => plain(`${name}: ${value.slice(0, VALUE)}${value.length > VALUE ? MORE : ''}`, SLACK.field));
  const sections = Array.from({ length: Math.ceil(fields.length / SLACK.fields) }, (_, i) => ({
    type: 'section',
    fields: fields.slice(i * SLACK.fields, (i + 1) * SLACK.fields),
  }));
  const open = { type: 'button', text: plain('Open in Corral', SLACK.header), url: link ?? '', action_id: 'open' };
  return {
    // For notifications, and for clients without blocks.
    text: escaped(link === undefined ? title : `${title} ${link}`, SLACK.fallback),
    mrkdwn: false,
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: plain(title, SLACK.header) },
      ...sections,
      ...(link === undefined || link.length > SLACK.url ? [] : [{ type: 'actions', elements: [open] }]),
      { type: 'context', elements: [plain(new Date(at).toISOString(), SLACK.header)] },
    ],
  };
}
