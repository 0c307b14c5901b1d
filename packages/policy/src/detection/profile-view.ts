/** A profile as people read it: the most frequent entries first. */
import type { Profile } from './profile.ts';

export interface Counted {
  readonly what: string;
  readonly runs: number;
}
export interface ToolView {
  readonly tool: string;
  readonly runs: number;
  readonly after: readonly Counted[];
  readonly shapes: readonly Counted[];
  readonly arguments: readonly {
    readonly name: string;
    readonly origins: readonly Counted[];
    readonly values: readonly Counted[];
    readonly different: number;
  }[];
}

const SHOWN = 5;

/** Names of members that every object has are stored with a mark before them (profile.ts). */
const nameOf = (own: string): string => (own.startsWith('=') ? own.slice(1) : own);
const ownOf = (name: string): string => (name in Object.prototype ? `=${name}` : name);

export function viewOf(profile: Profile): ToolView[] {
  return counted(profile.tools.seen, Number.POSITIVE_INFINITY).map(({ what: tool, runs }) => {
    const prefix = `${tool} `;
    const paths = Object.keys(profile.origins).filter((key) => key.startsWith(prefix));
    return {
      tool,
      runs,
      after: counted(profile.before[ownOf(tool)]?.seen).map(({ what, runs: times }) => ({
        what: what === '^' ? 'the start' : what,
        runs: times,
      })),
      shapes: counted(profile.shapes[ownOf(tool)]?.seen),
      arguments: paths.map((path) => {
        const values = profile.values[path]?.seen ?? {};
        return {
          name: path.slice(prefix.length),
          origins: counted(profile.origins[path]?.seen),
          // Digests mean nothing to people.
          values: counted(Object.fromEntries(Object.entries(values).filter(([value]) => !value.startsWith('#')))),
          different: Object.keys(values).length,
        };
      }),
    };
  });
}

function counted(seen: Readonly<Record<string, number>> = {}, most = SHOWN): Counted[] {
  return Object.entries(seen)
    .map(([what, runs]) => ({ what: nameOf(what), runs }))
    .sort((a, b) => b.runs - a.runs || (a.what < b.what ? -1 : 1))
    .slice(0, most);
}
