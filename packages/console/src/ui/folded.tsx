/** Parts for which a phone has room once somebody wants them; elsewhere they are shown. */
import type { ComponentChildren } from 'preact';

export function Folded({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  if (!matchMedia('(max-width: 760px)').matches) return <>{children}</>;
  return (
    <details>
      <summary>{name}</summary>
      {children}
    </details>
  );
}
