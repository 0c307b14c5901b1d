/** Runs that a person has picked in the list, and what can be done with them, or with all that match the filter. */
import type { ComponentType } from 'preact';
import { useState } from 'preact/hooks';
import { hasRole } from '../data/api.ts';
import { count, many } from '../format.ts';
import { Verbs } from '../ui/stop.tsx';
import type { BulkTarget, BulkVerb } from './runs-bulk.tsx';

interface PickedProps {
  readonly picked: ReadonlySet<string>;
  /** The conditions of the list, as an operation takes them; undefined: the list is of ended runs. */
  readonly where: object | undefined;
  /** How many match, if that is known. */
  readonly total: number | undefined;
  readonly clear: () => void;
  /** Called when an act may have been done. */
  readonly done: () => void;
}

type Asks = { readonly verb: BulkVerb; readonly target: BulkTarget };
type BulkView = ComponentType<Asks & { readonly onClose: () => void }>;

export function Picked({ picked, where, total, clear, done }: PickedProps) {
  const [all, setAll] = useState(false);
  const [asks, setAsks] = useState<Asks & { readonly View: BulkView }>();
  const may = hasRole('operator', 'admin');
  if ((picked.size === 0 && !all) || (!may && !hasRole('developer'))) return null;
  const target = (all ? { where } : { where: { runs: [...picked] } }) as BulkTarget;
  const opens = (verb: BulkVerb) => () => void import('./runs-bulk.tsx').then(({ Bulk }) => setAsks({ verb, target, View: Bulk }));
  const end = () => {
    setAll(false);
    clear();
  };
  return (
    <div class="stop" role="group" aria-label="Picked runs">
      <span role="status">
        {all ? `All ${total === undefined ? '' : `${count(total)} `}that match` : `${many(picked.size, 'run')} picked`}
      </span>
      <Verbs
        of={[
          ...(may ? [['Pause…', opens('pause')] as const, ['Resume…', opens('resume')] as const] : []),
          ['Cancel…', opens('cancel')],
          ...(may ? [['Kill…', opens('kill')] as const] : []),
        ]}
      />
      {!all && where !== undefined && (
        <button type="button" onClick={() => setAll(true)}>
          Take all {total === undefined ? '' : `${count(total)} `}that match
        </button>
      )}
      <button type="button" class="quiet" onClick={end}>
        Clear
      </button>
      {asks !== undefined && (
        <asks.View
          verb={asks.verb}
          target={asks.target}
          onClose={() => {
            setAsks(undefined);
            end();
            done();
          }}
        />
      )}
    </div>
  );
}
