/** Looks for values that must be nowhere: in what a host said and printed, in the files of its folder, and in command lines. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lineOf, type Host } from '../killable.ts';

interface Places {
  readonly host: Host;
  readonly said: readonly string[];
  /** Processes whose command lines everybody on the machine can read. */
  readonly lines: readonly number[];
}

/** @returns the places in which a value was found, in words */
export async function leaksOf(secrets: Readonly<Record<string, string>>, { host, said, lines }: Places): Promise<string[]> {
  const texts = new Map([
    ['an answer of the API', said.join('\n')],
    ['the output of the host', host.printed],
    ['the command line of a process', lines.map((pid) => lineOf(pid).join(' ')).join('\n')],
  ]);
  for (const entry of await readdir(host.data, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) texts.set(`the file ${entry.name}`, await readFile(join(entry.parentPath, entry.name), 'latin1').catch(() => ''));
  return [...texts].flatMap(([place, text]) =>
    Object.entries(secrets).flatMap(([name, value]) =>
      formsOf(value)
        .filter((form) => text.includes(form))
        .map((form) => `the secret ${name} is in ${place}: ${around(text, form)}`),
    ),
  );
}

/** As it is, and as bytes are often written; those that a server chooses to hide it in are not looked for. */
const formsOf = (value: string) => [
  value,
  Buffer.from(value).toString('hex'),
  Buffer.from(value)
    .toString('base64')
    .replace(/.{2}=*$/, ''),
];

const around = (text: string, form: string) => {
  const at = text.indexOf(form);
  return text.slice(Math.max(0, at - 80), at + 10).replaceAll(/\s+/g, ' ');
};
