/** A question that holds the rest of the page until it is answered. The browser keeps the focus in it, and gives it back afterwards. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Text } from './text.tsx';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

const open: (() => void)[] = [];
const isMarked = (): boolean => (history.state as { readonly dialog?: boolean } | null)?.dialog === true;
// Back has left the entry of the dialogs.
addEventListener('popstate', () => {
  if (open.length > 0 && !isMarked()) for (const close of open.toReversed()) close();
});

/** A dialog has an entry of the history of its own, so that Back closes it and leaves the view below. @returns called once it has closed */
function entered(close: () => void): () => void {
  open.push(close);
  if (!isMarked()) history.pushState({ dialog: true }, '', location.href);
  return () => {
    open.splice(open.indexOf(close), 1);
    // Another one may follow at once, such as a receipt, in the same entry.
    setTimeout(() => (open.length === 0 && isMarked() ? history.back() : undefined));
  };
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const name = useId();
  const self = useRef<HTMLDialogElement>(null);
  const closes = useRef(onClose);
  closes.current = onClose;
  useEffect(() => {
    const before = document.activeElement;
    self.current?.showModal();
    const left = entered(() => closes.current());
    return () => {
      left();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={self}
      aria-labelledby={name}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header>
        <h2 id={name}>
          <Text of={title} />
        </h2>
        <button type="button" class="quiet" onClick={onClose} aria-label="Close">
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}
