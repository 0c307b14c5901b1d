/** Text and values that runs, tools and people wrote. They become text nodes and nothing else: no markup, no links. */
import { useState } from 'preact/hooks';
import { beginning, FOLD_CHARS, pieces } from '../text.ts';

/** A text on one line or several, with what would be hidden in it shown. */
export function Text({ of, lit }: { readonly of: string; readonly lit?: string | undefined }) {
  const at = lit === undefined || lit === '' ? -1 : of.indexOf(lit);
  if (at >= 0 && lit !== undefined)
    return (
      <bdi class="said">
        <Pieces of={of.slice(0, at)} />
        <mark>
          <Pieces of={lit} />
        </mark>
        <Pieces of={of.slice(at + lit.length)} />
      </bdi>
    );
  return (
    <bdi class="said">
      <Pieces of={of} />
    </bdi>
  );
}

function Pieces({ of }: { readonly of: string }) {
  return (
    <>
      {pieces(of).map(({ text, hidden }) =>
        hidden === undefined ? (
          text
        ) : (
          <span class="hidden-char" title={hidden}>
            {text}
          </span>
        ),
      )}
    </>
  );
}

/** A long text: its beginning, and more of it when asked. */
function Long({ of }: { readonly of: string }) {
  const [chars, setChars] = useState(FOLD_CHARS);
  const shown = beginning(of, chars);
  const left = of.length - shown.length;
  return (
    <>
      <pre class="value" tabIndex={0}>
        <Text of={shown} />
      </pre>
      {left > 0 && (
        <p class="folded">
          {left.toLocaleString('en')} more characters.{' '}
          <button type="button" onClick={() => setChars(chars + FOLD_CHARS)}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

/** Any JSON. */
export function Value({ of }: { readonly of: unknown }) {
  return typeof of === 'string' ? <Long of={of} /> : <Long of={JSON.stringify(of, null, 2) ?? 'nothing'} />;
}

/** A value on one line, cut short. */
export function Brief({ of, chars = 120 }: { readonly of: unknown; readonly chars?: number }) {
  const text = typeof of === 'string' ? of : (JSON.stringify(of) ?? '');
  const shown = beginning(text, chars);
  return <Text of={shown.length < text.length ? `${shown}…` : shown} />;
}
