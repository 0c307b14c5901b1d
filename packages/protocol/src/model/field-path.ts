/**
 * Paths of fields in a result, as a configuration says who writes them: `comments[].body`, `[].id`, `*.price`, `meta["a.b"]`. A path stands
 * for the field and everything below it. A step is a member's name, `*` (any member or item) or `[]` (any item). A name with one of
 * `. [ ] * "` in it is written as a JSON text in brackets, so that a member called `a.b` is another one than `b` of `a`.
 */

/** A member's name, any item of a list, or any member or item. */
export type FieldStep = { readonly name: string } | 'item' | 'any';

/** Most paths of one declaration, and the longest one. Decisions are recorded with them. */
export const FIELD_PATHS_MAX = 256;
export const FIELD_PATH_CHARS = 200;
const STEPS_MAX = 32;

const PLAIN = /^[^.[\]*"\p{Cc}]+/u;
/** A name that is a JSON text in brackets. */
const QUOTED = /^\["(?:[^"\\]|\\.)*"\]/u;

/** @returns the steps, or why it cannot be read, as the rest of a sentence */
export function fieldStepsOf(path: string): readonly FieldStep[] | string {
  if (path.length > FIELD_PATH_CHARS) return `it has more than ${FIELD_PATH_CHARS} characters`;
  const steps: FieldStep[] = [];
  let rest = path;
  while (rest !== '') {
    if (steps.length === STEPS_MAX) return `it has more than ${STEPS_MAX} steps`;
    const taken = stepIn(rest, steps.length === 0);
    if (taken === undefined) return `at ${JSON.stringify(rest.slice(0, 40))} it is not a path such as comments[].body, [].id or *.price`;
    steps.push(taken.step);
    rest = rest.slice(taken.chars);
  }
  return steps.length === 0 ? 'it is empty' : steps;
}

function stepIn(rest: string, isFirst: boolean): { readonly step: FieldStep; readonly chars: number } | undefined {
  if (rest.startsWith('[]')) return { step: 'item', chars: 2 };
  const quoted = QUOTED.exec(rest)?.[0];
  if (quoted !== undefined) {
    const name = nameIn(quoted.slice(1, -1));
    return name === undefined ? undefined : { step: { name }, chars: quoted.length };
  }
  const dot = isFirst ? 0 : 1;
  if (dot === 1 && !rest.startsWith('.')) return undefined;
  const text = rest.slice(dot);
  if (text.startsWith('*')) return { step: 'any', chars: dot + 1 };
  const name = PLAIN.exec(text)?.[0];
  return name === undefined ? undefined : { step: { name }, chars: dot + name.length };
}

function nameIn(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

/** The text of a path. */
export function fieldText(steps: readonly FieldStep[]): string {
  let text = '';
  for (const step of steps) text += stepText(step, text === '');
  return text;
}

function stepText(step: FieldStep, isFirst: boolean): string {
  if (step === 'item') return '[]';
  if (step !== 'any' && PLAIN.exec(step.name)?.[0] !== step.name) return `[${JSON.stringify(step.name)}]`;
  const name = step === 'any' ? '*' : step.name;
  return isFirst ? name : `.${name}`;
}
