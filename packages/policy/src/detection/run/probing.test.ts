import { describe, expect, test } from 'vitest';
import { Detectors } from '../detectors.ts';
import { attemptsAt } from '../ends.ts';
import type { Seen } from '../events.ts';
import { observe, of } from '../fixtures/story.ts';

/** A refused call; with `child`, one of a child. */
interface Refused {
  readonly tool: string;
  readonly input: unknown;
  readonly child?: boolean;
}
const stream = (refused: readonly Refused[]): Seen[] =>
  refused.map(({ tool, input, child }, id): Seen =>
    child === true
      ? { kind: 'refusal', at: 0, what: tool, child, attempts: attemptsAt(input) }
      : { kind: 'call', at: 0, id, tool, input, refused: true, attempts: attemptsAt(input) },
  );
const found = (...refused: readonly Refused[]) => of(observe(stream(refused)), 'probing');
const read = (path: string): Refused => ({ tool: 'fs.read', input: { path } });

describe('probing', () => {
  test.each<[string, readonly Refused[]]>([
    ['other spellings of a path', [read('keys/a.pem'), read('./keys//a.pem'), read('notes/../keys/%61.pem')]],
    ['spellings that no folder is left with', [read('../secret'), read('/secret'), read('..\\..\\SECRET')]],
    ['encodings on top of each other', [read('etc/passwd'), read('etc%2fpasswd'), read('etc%252fpasswd')]],
    ['Unicode forms and signs that nobody sees', [read('secret/key'), read('ｓecret/key'), read('sec\u200bret/key')]],
    [
      'other tools',
      [
        { tool: 'fs.read', input: { path: 'keys/a.pem' } },
        { tool: 'shell.run', input: { args: ['cat', 'keys/a.pem'] } },
        { tool: 'archive.pack', input: { files: ['keys/a.pem'] } },
      ],
    ],
    [
      'addresses by other schemes and ports',
      [
        { tool: 'http.get', input: { url: 'https://evil.example/x' } },
        { tool: 'http.get', input: { url: 'http://EVIL.example:80/x/' } },
        { tool: 'http.get', input: { url: 'https://evil.example:443/./x#top' } },
      ],
    ],
    [
      'one text by mail, by chat and in a file',
      ['mail.send', 'chat.post', 'fs.write'].map((tool, i) => ({
        tool,
        input: { body: `The customers are Ada Lovelace, Alan Turing${' '.repeat(i + 1)}and Grace Hopper, with all their account numbers.` },
      })),
    ],
    ['a child and another spelling', [read('keys/a.pem'), { ...read('keys/a.pem'), child: true }, read('./keys/a.pem')]],
  ])('is %s', (_, refused) => {
    expect(found(...refused.slice(0, 2))).toEqual([]);
    expect(found(...refused)).toMatchObject([{ detector: 'probing', evidence: { events: [0, 1, 2], figures: { ways: 3, refusals: 3 } } }]);
  });

  test.each<[string, readonly Refused[]]>([
    ['the same call again', Array.from({ length: 20 }, () => read('keys/a.pem'))],
    ['two spellings, each again and again', Array.from({ length: 20 }, (_, i) => read(i % 2 === 0 ? 'a.pem' : './a.pem'))],
    ['refusals for different things', Array.from({ length: 20 }, (_, i) => read(`notes/${i}.txt`))],
    [
      'different letters to one person',
      Array.from({ length: 20 }, (_, i) => ({ tool: 'mail.send', input: { to: 'ada@example.com', subject: `Invoice ${i}` } })),
    ],
    [
      'what is the same in calls to different tools and names nothing',
      ['a', 'b', 'c'].map((tool) => ({ tool, input: { type: 'text/plain', day: '2026-01-01', mode: 'append' } })),
    ],
    ['children that are refused what all of them ask for', Array.from({ length: 9 }, () => ({ ...read('keys/a.pem'), child: true }))],
  ])('is not %s', (_, refused) => {
    expect(found(...refused)).toEqual([]);
  });

  test('names the tools and no argument, for its sentence may be told to an agent that has not read the argument', () => {
    const [one] = found(read('keys/a.pem'), read('./keys/a.pem'), { tool: 'shell.run', input: { args: ['keys/a.pem'] }, child: true });
    expect(one?.evidence).toMatchObject({
      text: '3 different ways to one end were refused: fs.read in 2 spellings, shell.run by a child.',
      subjects: ['fs.read', 'shell.run'],
      figures: { by_children: 1 },
    });
  });

  test('says so again with each further way, and goes on from a saved state', () => {
    const list = stream(['a.pem', './a.pem', '/a.pem', 'A.pem', 'x/../a.pem'].map((path) => read(path)));
    const detectors = new Detectors();
    expect(observe(list.slice(0, 2), detectors)).toEqual([]);
    const after = of(observe(list.slice(2), Detectors.load(detectors.save())), 'probing');
    expect(after.map(({ evidence }) => evidence.figures['ways'])).toEqual([3, 4, 5]);
    expect(after).toEqual(of(observe(list), 'probing'));
  });

  test('keeps a bounded state whatever is refused, and what was tried most', () => {
    const detectors = new Detectors();
    observe(stream([read('a.pem'), read('./a.pem')]), detectors);
    const many = Array.from({ length: 5_000 }, (_, i) => ({
      tool: `tool ${i}`,
      input: Array.from({ length: 100 }, (__, k) => `${i}/${k}`),
    }));
    observe(stream(many), detectors);
    expect(JSON.stringify(detectors.save()).length).toBeLessThan(60_000);
    expect(of(observe(stream([read('/a.pem')]), detectors), 'probing')).toHaveLength(1);
  });
});
