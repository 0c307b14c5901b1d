/**
 * Writes docs/reference from the code itself: the commands' own help, the routes' own schemas, the configuration's own; the profile of
 * system calls for a host's container, deploy/seccomp.json; and what `corral --help` says of each command, which loads none of them. With
 * --check it writes nothing, and fails where a file is not what it would write.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { summariesOf } from '@corral/cli/help';
import { createProgram } from '@corral/cli/program';
import type { DetectorAbout } from '@corral/policy/detection/detector';
import { HOST_LADDER, LADDER } from '@corral/policy/detection/ladder';
import { DETECTORS_ABOUT } from '@corral/policy/detection/list';
import { STEPS } from '@corral/policy/detection/steps';
import { jsonSchemaOf } from '@corral/protocol/api/json-schema';
import { statusOf } from '@corral/protocol/api/problem';
import { OPERATIONS, Role } from '@corral/protocol/api/roles';
import { ROUTES, type Route } from '@corral/protocol/api/routes';
import { EVENT_KINDS } from '@corral/protocol/api/event-kinds';
import { ERRORS, type ErrorCode } from '@corral/protocol/errors';
import { ADMISSION, BUDGETS, CEILINGS } from '@corral/protocol/limits';
import { Config } from '@corral/server/config/schema';
import { hostProfile } from '@corral/supervisor/host/seccomp';
import { authors } from './authors.ts';
import { table } from './markdown.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDER = join(ROOT, 'docs', 'reference');
const NOTE = '<!-- Written by scripts/reference.ts; change the code and write it again with `npm run reference`. -->';

type Command = Awaited<ReturnType<typeof createProgram>>;
type Schema = { readonly [key: string]: unknown };

/** Prose in lines of a length that reads well in a diff. */
function wrap(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 120) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

async function cli(): Promise<string> {
  const program = await createProgram();
  const pages: string[] = [];
  const page = (command: Command, name: string): void => {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => 100, getOutHasColors: () => false });
    command.outputHelp();
    pages.push(`## ${name}\n\n\`\`\`text\n${help.trim()}\n\`\`\``);
    for (const sub of command.commands) page(sub, `${name} ${sub.name()}`);
  };
  page(program, 'corral');
  return `# Commands\n\n${NOTE}\n\nEvery command says this itself with \`--help\`.\n\n${pages.join('\n\n')}\n`;
}

type ZodType = Parameters<typeof jsonSchemaOf>[0];
const asSchema = (schema: ZodType): Schema => jsonSchemaOf(schema);

/** Rows of name, type, default, text for every leaf of a schema. */
function rowsOf(schema: Schema, defs: Schema, path = '', depth = 0): string[][] {
  const at = deref(schema, defs);
  const properties = (at['properties'] ?? {}) as Record<string, Schema>;
  const required = new Set((at['required'] ?? []) as string[]);
  return Object.entries(properties).flatMap(([name, member]) => {
    const inner = deref(member, defs);
    const here = path === '' ? name : `${path}.${name}`;
    const row = [
      `\`${here}\``,
      typeOf(inner, defs),
      inner['default'] === undefined ? (required.has(name) ? 'required' : '') : `\`${short(inner['default'])}\``,
      (member['description'] ?? inner['description'] ?? '') as string,
    ];
    // They have tables of their own.
    if (depth > 3 || name === 'ceilings' || name === 'budget' || name === 'detectors') return [row];
    const object = objectIn(inner, defs);
    if (object !== undefined) return [row, ...rowsOf(object, defs, here, depth + 1)];
    const more = inner['additionalProperties'];
    if (typeof more === 'object' && more !== null) return [row, ...rowsOf(more as Schema, defs, `${here}.*`, depth + 1)];
    const items = inner['items'];
    return items === undefined ? [row] : [row, ...rowsOf(items as Schema, defs, `${here}[]`, depth + 1)];
  });
}

/** The object among the branches of a schema; undefined if there are none or several. */
function objectIn(schema: Schema, defs: Schema): Schema | undefined {
  if (schema['properties'] !== undefined) return schema;
  const either = (schema['anyOf'] ?? schema['oneOf'] ?? []) as Schema[];
  const objects = either.map((one) => deref(one, defs)).filter((one) => one['properties'] !== undefined);
  return objects.length === 1 && either.length === 2 ? objects[0] : undefined;
}

const short = (value: unknown) => {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};
function deref(schema: Schema, defs: Schema): Schema {
  const ref = schema['$ref'];
  if (typeof ref !== 'string') return schema;
  return (defs[ref.split('/').at(-1) ?? ''] ?? {}) as Schema;
}
function typeOf(schema: Schema, defs: Schema): string {
  const { type, enum: values, const: one, anyOf, oneOf, items } = deref(schema, defs);
  if (one !== undefined) return `\`${JSON.stringify(one)}\``;
  if (Array.isArray(values)) return values.map((value) => `\`${String(value)}\``).join(', ');
  const either = (anyOf ?? oneOf) as Schema[] | undefined;
  if (either !== undefined) return [...new Set(either.map((each) => typeOf(each, defs)))].join(' or ');
  if (type === 'array') return `list of ${typeOf((items ?? {}) as Schema, defs)}`;
  if (Array.isArray(type)) return type.join(' or ');
  return typeof type === 'string' ? type : 'any JSON';
}

function section(title: string, schema: ZodType | undefined): string[] {
  if (schema === undefined) return [];
  const json = asSchema(schema);
  const defs = { ...(json['$defs'] as Schema | undefined), ...(json['definitions'] as Schema | undefined) };
  const branches = (json['oneOf'] ?? json['anyOf']) as Schema[] | undefined;
  const rows = branches === undefined ? rowsOf(json, defs) : branches.flatMap((each) => rowsOf(each, defs));
  return rows.length === 0 ? [] : [`${title}:`, table(['field', 'type', 'default', 'about'], rows)];
}

function api(): string {
  const parts: string[] = [
    `# HTTP API\n\n${NOTE}\n\n${wrap('A host serves this on the socket in its data folder and on its port; the same as an OpenAPI document is at `/openapi.json`. Over the socket you are the host’s admin; over the port say `Authorization: Bearer …`. Times are milliseconds since 1970. Every refusal is a problem document (RFC 9457) with a code of the table below.')}`,
    `## Who may do what\n\n${table(
      ['operation', ...Role.options, 'about'],
      Object.entries(OPERATIONS).map(([name, row]) => [
        `\`${name}\``,
        ...Role.options.map((role) => ((row.roles as readonly string[]).includes(role) ? 'yes' : '')),
        `${row.about}${'host' in row ? ' (whole host only)' : ''}`,
      ]),
    )}`,
  ];
  const tags = [...new Set((Object.values(ROUTES) as Route[]).map(({ tag }) => tag))];
  for (const tag of tags) {
    parts.push(`## ${tag[0]?.toUpperCase()}${tag.slice(1)}`);
    for (const route of (Object.values(ROUTES) as Route[]).filter((one) => one.tag === tag)) {
      parts.push(`### ${route.method} ${route.path}`, `${route.summary} ${whose(route)}`);
      parts.push(...section('Query', route.query), ...section('Headers', route.headers), ...section('Body', route.body));
      parts.push(...section(route.stream === true ? 'Each event' : 'Answer', route.response));
    }
  }
  parts.push(`## Kinds of event\n\n${wrap(`${EVENT_KINDS.map((kind) => `\`${kind}\``).join(', ')}.`)}`);
  parts.push(
    `## Codes\n\n${table(
      ['code', 'status', 'what to do'],
      (Object.keys(ERRORS) as ErrorCode[]).map((code) => [`\`${code}\``, String(statusOf(code)), ERRORS[code].hint]),
    )}`,
  );
  return `${parts.join('\n\n')}\n`;
}

function whose({ operation }: Route): string {
  if (operation === 'open') return 'For everybody.';
  if (operation === 'anyone') return 'For everybody with a token.';
  return operation === 'body' ? 'Needs what the operation in the body needs.' : `Needs \`${operation}\`.`;
}

function config(): string {
  const json = asSchema(Config);
  const limits = (rows: Readonly<Record<string, { default: number; max: number; about: string }>>) =>
    table(
      ['name', 'default', 'most', 'about'],
      Object.entries(rows).map(([name, row]) => [`\`${name}\``, String(row.default), String(row.max), row.about]),
    );
  return [
    `# Configuration\n\n${NOTE}\n\n${wrap('`corral.config.ts` exports `defineConfig({ … })`; a JSON file holds the same without `tools`. A file is checked whole before anything of it holds: `corral config check`, `corral config diff`, `corral config apply`.')}`,
    table(['setting', 'type', 'default', 'about'], rowsOf(json, (json['$defs'] ?? {}) as Schema)),
    `## Ceilings of a run\n\n${limits(CEILINGS)}`,
    `## Budgets of a run\n\n${limits(BUDGETS)}`,
    `## Bounds on what is handed in\n\n${limits(ADMISSION)}`,
  ]
    .join('\n\n')
    .concat('\n');
}

function detectors(): string {
  const steps = STEPS.filter((step) => step !== 'observe');
  const thresholds = ({ detectors: of }: typeof LADDER) =>
    table(
      ['detector', ...steps],
      DETECTORS_ABOUT.map(({ name }) => [`\`${name}\``, ...steps.map((step) => String(of[name]?.[step] ?? ''))]),
    );
  const about: readonly DetectorAbout[] = DETECTORS_ABOUT;
  return [
    `# Detectors\n\n${NOTE}\n\n${wrap('What each detector sees. What a host does with a finding, and what was measured, is in [loops, runaways and drift](../loops.md).')}`,
    table(
      ['detector', 'sees', 'does not take for it'],
      about.map(({ name, sees, spares }) => [`\`${name}\``, sees, spares]),
    ),
    `## The ladder\n\n${wrap('The confidence from which each step is taken where a tenant asks for the ladder (`loops: {}`). A step without a figure is never taken.')}\n\n${thresholds(HOST_LADDER)}`,
    `## Without what programs need\n\n${wrap('The same without what a host leaves out because programs work through lists with calls and answers that look alike, and because odd is not wrong.')}\n\n${thresholds(LADDER)}`,
  ]
    .join('\n\n')
    .concat('\n');
}

const check = process.argv.includes('--check');
let stale = 0;
mkdirSync(FOLDER, { recursive: true });
/** Files that are not pages of the reference. */
const PROFILE = '../../deploy/seccomp.json';
const SUMMARIES = '../../packages/cli/src/summaries.json';
const asFile = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
for (const [name, text] of Object.entries({
  'cli.md': await cli(),
  'api.md': api(),
  'config.md': config(),
  'detectors.md': detectors(),
  'authors.md': authors(NOTE),
  [PROFILE]: asFile(hostProfile()),
  [SUMMARIES]: asFile(summariesOf(await createProgram())),
})) {
  const file = join(FOLDER, name);
  if (!check) {
    writeFileSync(file, text);
    continue;
  }
  let before = '';
  try {
    before = readFileSync(file, 'utf8');
  } catch {
    // Missing is as stale as can be.
  }
  if (before !== text) {
    console.error(`${relative(ROOT, file)} is not what the code says; run \`npm run reference\`.`);
    stale += 1;
  }
}
process.exitCode = stale === 0 ? 0 : 1;
