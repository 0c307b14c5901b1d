/** Messages for Slack hold to its limits and escaping, whatever agents and tools wrote. */
import { array, assert, option, property, string, tuple, webUrl } from 'fast-check';
import { expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { escaped, SLACK, slackMessage } from './slack.ts';

interface Text {
  readonly type: string;
  readonly text: string;
}
interface Message {
  readonly text: string;
  readonly blocks: readonly {
    readonly type: string;
    readonly text?: Text;
    readonly fields?: readonly Text[];
    readonly elements?: readonly Json[];
  }[];
}
const messageOf = (...of: Parameters<typeof slackMessage>) => slackMessage(...of) as unknown as Message;

test('a hostile text makes no link, mention or format, and hides nothing', () => {
  const text = '<!channel> <https://evil.example|Approve> & *now* \u202Etxt.exe';
  const message = messageOf({ title: `${text} asks for pay`, facts: [['Question', text]] }, undefined, 0);
  const wanted = '&lt;!channel&gt; &lt;https://evil.example|Approve&gt; &amp; *now*  txt.exe';
  expect(message.text).toBe(`${wanted} asks for pay`);
  expect(message.blocks[0]?.text).toEqual({ type: 'plain_text', text: `${wanted} asks for pay`, emoji: false });
  expect(message.blocks[1]?.fields).toEqual([{ type: 'plain_text', text: `Question: ${wanted}`, emoji: false }]);
});

test('a text is cut at its limit, and never within an entity', () => {
  expect([escaped('a&b', 7), escaped('a&bc', 7), escaped('&&&', 11), escaped('&&&', 10)]).toEqual([
    'a&amp;b',
    'a&amp;…',
    '&amp;&amp;…',
    '&amp;…',
  ]);
});

test('every message is within the limits of Slack', () => {
  const long = string({ unit: 'binary', maxLength: 700 });
  const facts = array(tuple(long, long), { maxLength: 25 });
  const link = option(webUrl({ withQueryParameters: true, size: '=' }), { nil: undefined });
  assert(
    property(long, facts, link, (title, all, to) => {
      const { text, blocks } = messageOf({ title, facts: all }, to, 0);
      expect(text.length).toBeLessThanOrEqual(SLACK.fallback);
      expect(blocks.length).toBeLessThanOrEqual(50);
      expect(blocks[0]?.text?.text.length).toBeLessThanOrEqual(SLACK.header);
      const sections = blocks.filter(({ type }) => type === 'section');
      expect(sections.flatMap(({ fields = [] }) => fields)).toHaveLength(all.length);
      for (const { fields = [] } of sections) {
        expect(fields.length).toBeLessThanOrEqual(SLACK.fields);
        for (const one of fields) expect(one.text.length).toBeLessThanOrEqual(SLACK.field);
      }
      expect(JSON.stringify(blocks.map(({ text: one, fields }) => [one, fields]))).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
    }),
    { numRuns: 30 },
  );
});
