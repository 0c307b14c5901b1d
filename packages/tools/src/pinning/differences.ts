/** The differences between two lists of declarations, member by member, for the person who reviews them. */
import { canonical, type Json } from '@corral/protocol/json';
import type { Declaration, ToolDifference } from '@corral/protocol/ports/pins';

/** Members of one tool that are listed; the rest is one more, with the path `…`. */
const MEMBERS = 50;

type Member = ToolDifference['members'][number];

export function differencesOf(before: readonly Declaration[], now: readonly Declaration[]): ToolDifference[] {
  const was = new Map(before.map((one) => [one.name, one.says]));
  const is = new Map(now.map((one) => [one.name, one.says]));
  const all: ToolDifference[] = [];
  for (const tool of [...new Set([...was.keys(), ...is.keys()])].sort()) {
    const [a, b] = [was.get(tool), is.get(tool)];
    if (a === undefined) all.push({ tool, kind: 'added', members: [{ path: '', before: null, now: b ?? null }] });
    else if (b === undefined) all.push({ tool, kind: 'removed', members: [{ path: '', before: a, now: null }] });
    else if (canonical(a) !== canonical(b)) all.push({ tool, kind: 'changed', members: cut(membersOf(a, b, '')) });
  }
  return all;
}

const isObject = (value: Json): value is Record<string, Json> => typeof value === 'object' && value !== null && !Array.isArray(value);

function membersOf(before: Json, now: Json, path: string): Member[] {
  if (canonical(before) === canonical(now)) return [];
  if (!isObject(before) || !isObject(now)) return [{ path, before, now }];
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .sort()
    .flatMap((name) =>
      membersOf(
        Object.hasOwn(before, name) ? (before[name] as Json) : null,
        Object.hasOwn(now, name) ? (now[name] as Json) : null,
        path === '' ? name : `${path}.${name}`,
      ),
    );
}

const cut = (members: Member[]): Member[] =>
  members.length <= MEMBERS
    ? members
    : [...members.slice(0, MEMBERS), { path: '…', before: null, now: `${members.length - MEMBERS} more` }];
