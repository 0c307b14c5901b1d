/** Text and values that runs, tools and people wrote. They become text nodes and nothing else: no markup, no links. */
import { useMemo, useState } from 'preact/hooks';
import type { Withheld } from '@corral/protocol/api/withheld';
import { beginning, foldAt, pieces } from '../text.ts';

/** A text on one line or several, with what would be hidden in it shown. */
export function Text({ of }: { readonly of: string }) {
  return (
    <bdi class="said">
      <Pieces of={of} />
    </bdi>
  );
}

/** A text with the first occurrence of each of some parts lit. */
export function Lit({ of, lits: [first, ...others] }: { readonly of: string; readonly lits: readonly string[] }) {
  if (first === undefined) return <Text of={of} />;
  const at = first === '' ? -1 : of.indexOf(first);
  if (at < 0) return <Lit of={of} lits={others} />;
  return (
    <>
      <Lit of={of.slice(0, at)} lits={others} />
      <mark>
        <Text of={first} />
      </mark>
      <Lit of={of.slice(at + first.length)} lits={others} />
    </>
  );
}

/** A name, path or rule: whoever wrote an agent, a tool or a policy chose it. */
export function Code({ of }: { readonly of: string }) {
  return (
    <code>
      <Text of={of} />
    </code>
  );
}

/** Names of rules, each by itself. */
export function Codes({ of, none }: { readonly of: readonly string[]; readonly none: string }) {
  return (
    <>
      {of.length === 0 && <Text of={none} />}
      {of.map((one) => (
        <span key={one}>
          <Code of={one} />{' '}
        </span>
      ))}
    </>
  );
}

interface RulesProps {
  readonly of: { readonly rules: readonly string[]; readonly also?: readonly string[] | undefined };
  /** Said where no rule decided. */
  readonly none: string;
}

/** The rules that decided, and after them those that match as well. */
export function Rules({ of: { rules, also = [] }, none }: RulesProps) {
  return (
    <>
      <Codes of={rules.filter((rule) => !also.includes(rule))} none={none} />
      {also.length > 0 && (
        <span class="dim">
          {' '}
          (<Codes of={also} none="" />
          also matched)
        </span>
      )}
    </>
  );
}

/** Several names in one line. */
export function Names({ of, none = 'none' }: { readonly of: readonly string[]; readonly none?: string }) {
  return <Text of={of.length === 0 ? none : of.join(', ')} />;
}

function Pieces({ of }: { readonly of: string }) {
  const shown = useMemo(() => pieces(of), [of]);
  return (
    <>
      {shown.map(({ text, hidden, times }) =>
        hidden === undefined ? (
          text
        ) : (
          <span class="hidden-char" title={hidden}>
            {text}
            {times !== undefined && ` ×${times.toLocaleString('en')}`}
          </span>
        ),
      )}
    </>
  );
}

/** A long text: its beginning, and more of it when asked. */
function Long({ of }: { readonly of: string }) {
  const [parts, setParts] = useState(1);
  const end = useMemo(() => {
    let at = 0;
    for (let part = 0; part < parts && at < of.length; part++) at = foldAt(of, at);
    return at;
  }, [of, parts]);
  const left = of.length - end;
  return (
    <>
      <pre class="value" tabIndex={0}>
        <Text of={of.slice(0, end)} />
      </pre>
      {left > 0 && (
        <p class="folded">
          {left.toLocaleString('en')} more characters.{' '}
          <button type="button" onClick={() => setParts(parts + 1)}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

/** Any JSON. */
export function Value({ of }: { readonly of: unknown }) {
  return typeof of === 'string' ? <Long of={of} /> : <Json of={of} />;
}

function Json({ of }: { readonly of: unknown }) {
  const text = useMemo(() => JSON.stringify(of, null, 2) ?? 'nothing', [of]);
  return <Long of={text} />;
}

/** In place of what a label, or a policy, withholds from who is signed in: why, and whom to ask. */
export function WithheldNote({ of }: { readonly of: Withheld | undefined }) {
  if (of === undefined) return null;
  return (
    <p class="withheld" role="note">
      <strong>Withheld.</strong> <Text of={of.why} /> <Text of={of.ask} />
    </p>
  );
}

/** A value, or why it is withheld. */
export function ValueOr({ of, withheld }: { readonly of: unknown; readonly withheld: Withheld | undefined }) {
  return withheld === undefined ? <Value of={of} /> : <WithheldNote of={withheld} />;
}

/** A value on one line, cut short. */
export function Brief({ of, chars = 120 }: { readonly of: unknown; readonly chars?: number }) {
  const text = useMemo(() => (typeof of === 'string' ? of : (JSON.stringify(of) ?? '')), [of]);
  const shown = beginning(text, chars);
  return <Text of={shown.length < text.length ? `${shown}…` : shown} />;
}
