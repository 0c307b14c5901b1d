/**
 * Checks the wording of comments, messages and pages (CONTRIBUTING.md, "Words"). A sentence that opens with one of OPENERS has a
 * clause as its subject, and a reader has to decode it; each of PHRASES has a plain equivalent.
 *
 * `words.json` lists the exceptions, each with its reason. `npm run words -- --list [path]` prints every finding below a path, exceptions
 * included.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const PLACES = ['*.md', 'docs/*.md', '{packages,scripts,test,examples,sandbox-images}/**/*.{ts,mjs,md}'];

const OPENERS = /^(?:Of|Who|Whoever|Whom|Whomever|Whose|That|Whatever|What)\b(?! course\b)[^?]*$/;
const PHRASES = [
  /(?<!\bthere )\b(?:is|are|was|were|am|be|been) no (?!such\b|longer\b|more than\b|less than\b|larger\b|more\b|less\b|better\b|worse\b)/i,
  /\bso many\b/i,
  /\banew\b/i,
  /\bfor want of\b/i,
  /\bstands? against\b/i,
  /\b(?:is|are|was|were|be|been) told of\b|\btold of\b/i,
  /\ball the same\b/i,
];

interface Exception {
  readonly file: string;
  /** Part of the sentence, as it stands there. */
  readonly text: string;
  readonly reason: string;
}
interface Finding {
  readonly file: string;
  readonly line: number;
  readonly sentence: string;
}

/** A piece of prose and the line on which it begins. */
interface Prose {
  readonly line: number;
  readonly text: string;
  /** A message is checked for phrases only: it may begin in the middle of a sentence. */
  readonly openers: boolean;
}

const TOKEN = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

/** Comments of a source file, neighbouring `//` lines as one; and of a file that is not a test also its messages. */
function proseOfCode(source: string, messages: boolean): Prose[] {
  const found: Prose[] = [];
  let run: { line: number; last: number; text: string } | undefined;
  const flush = () => {
    if (run) found.push({ line: run.line, text: run.text, openers: true });
    run = undefined;
  };
  let line = 1;
  let at = 0;
  for (const match of source.matchAll(TOKEN)) {
    for (; at < match.index; at += 1) if (source[at] === '\n') line += 1;
    const [token] = match;
    if (token.startsWith('//')) {
      const text = token.slice(2).trim();
      if (run && run.last === line - 1) run = { line: run.line, last: line, text: `${run.text}\n${text}` };
      else {
        flush();
        run = { line, last: line, text };
      }
    } else if (token.startsWith('/*')) {
      const text = token
        .slice(2, -2)
        .replaceAll(/^\s*\*+ ?/gm, '')
        .trim();
      found.push({ line, text, openers: true });
    } else if (messages && / .* /.test(token)) found.push({ line, text: token.slice(1, -1), openers: false });
  }
  flush();
  return found;
}

/** A sentence that is only a link or only bold is a title. */
const TITLE = /^(?:\[[^\]]*\]\([^)]*\)|\*\*[^*]*\*\*)\.?$/;

/** Paragraphs, list items and table rows of a page; neither code nor headings. */
function proseOfPage(source: string): Prose[] {
  const found: Prose[] = [];
  let fenced = false;
  let open: { line: number; text: string } | undefined;
  const flush = () => {
    if (open) found.push({ ...open, openers: true });
    open = undefined;
  };
  for (const [i, text] of source.split('\n').entries()) {
    if (/^\s*(?:```|~~~)/.test(text)) {
      fenced = !fenced;
      flush();
    } else if (fenced || text.trim() === '' || text.startsWith('#') || text.startsWith('|')) {
      flush();
      if (text.startsWith('|')) for (const cell of text.split('|')) found.push({ line: i + 1, text: cell, openers: false });
    } else if (/^\s*(?:[-*]|\d+\.) /.test(text) || !open) {
      flush();
      open = { line: i + 1, text: text.replace(/^\s*(?:[-*]|\d+\.) /, '') };
    } else open = { line: open.line, text: `${open.text}\n${text}` };
  }
  flush();
  return found;
}

/** Sentences end with a full stop, a question or exclamation mark, or with their paragraph. */
function* sentencesOf(prose: Prose): Generator<{ line: number; sentence: string }> {
  let { line } = prose;
  for (const part of prose.text.split(/(?<=[.!?][)*_"'”`]*)(?=\s)|(?=\n\s*\n|\n\s*(?:[-*]|\d+\.|@\w+) )/)) {
    const lead = /^\s*/.exec(part)?.[0] ?? '';
    line += lead.split('\n').length - 1;
    const sentence = part
      .trim()
      .replace(/^(?:[-*]|\d+\.|@\w+) /, '')
      .replaceAll(/\s*\n\s*/g, ' ');
    if (sentence !== '' && !TITLE.test(sentence)) yield { line, sentence };
    line += part.trimStart().split('\n').length - 1;
  }
}

function findingsIn(file: string): Finding[] {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const test = /\.test\.ts$|^test\//.test(file);
  const pieces = file.endsWith('.md') ? proseOfPage(source) : proseOfCode(source, !test);
  return pieces.flatMap((prose) =>
    [...sentencesOf(prose)]
      .filter(
        ({ sentence }) =>
          (prose.openers && OPENERS.test(sentence.replace(/^[*_`([]+/, ''))) || PHRASES.some((phrase) => phrase.test(sentence)),
      )
      .map(({ line, sentence }) => ({ file, line, sentence })),
  );
}

function filesToCheck(): string[] {
  const files = globSync(PLACES, { cwd: ROOT, exclude: ['**/node_modules/**', '**/dist/**', 'docs/reference/**'] });
  return files.sort();
}

const show = ({ file, line, sentence }: Finding) => `${file}:${line}: ${sentence}`;

function check(exceptions: readonly Exception[], all: readonly Finding[]): string[] {
  const unused = new Set(exceptions);
  const wrong = all.filter((finding) => {
    const exception = exceptions.find(({ file, text }) => file === finding.file && finding.sentence.includes(text));
    if (exception) unused.delete(exception);
    return !exception;
  });
  return [...[...unused].map(({ file, text }) => `words.json has an exception that ${file} does not need: ${text}`), ...wrong.map(show)];
}

const all = filesToCheck().flatMap((file) => findingsIn(file));
const listing = process.argv.indexOf('--list');
if (listing !== -1) {
  const below = process.argv[listing + 1] ?? '';
  for (const finding of all.filter(({ file }) => file.startsWith(below))) console.log(show(finding));
} else {
  const wrong = check(JSON.parse(readFileSync(join(ROOT, 'scripts', 'words.json'), 'utf8')), all);
  if (wrong.length > 0) {
    console.error(wrong.join('\n'));
    process.exitCode = 1;
  }
}
