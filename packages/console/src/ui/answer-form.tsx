/**
 * The form for an answer, with a field for each part of what the question takes. All words in it but the buttons' are an agent's, so they are shown
 * as its text. Nothing is filled in before a person has: a default that an agent proposes is not an answer.
 */
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { drafted, emptyOf, fieldOf, valueOf, type Draft, type Fault, type Field } from '../data/answer.ts';
import { useAttempt } from '../data/attempt.ts';
import { Problem } from './parts.tsx';
import { Brief, Text } from './text.tsx';

interface FormProps {
  readonly schema: unknown;
  readonly send: (value: unknown) => Promise<unknown>;
  readonly onBack: () => void;
}

export function AnswerForm({ schema, send, onBack }: FormProps) {
  const made = useMemo(() => fieldOf(schema), [schema]);
  const [asJson, setAsJson] = useState(false);
  const field = useMemo((): Field => (asJson ? { ...made, kind: 'json' } : made), [made, asJson]);
  const [draft, setDraft] = useState<Draft>(() => emptyOf(made));
  const [faults, setFaults] = useState<readonly Fault[]>([]);
  const { attempt, busy, error } = useAttempt();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector<HTMLElement>('input,select,textarea,button')?.focus(), [asJson]);
  // The field that has to be looked at first gets the focus.
  useEffect(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(), [faults]);
  const answer = () => {
    const filled = valueOf(field, draft);
    setFaults(filled.ok ? [] : filled.faults);
    if (filled.ok) void attempt(() => send(filled.value));
  };
  return (
    <form
      class="answer"
      aria-label="Answer this question"
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        answer();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onBack();
      }}
    >
      <Part of={field} draft={draft} at={[]} faults={faults} set={(at, part) => setDraft((before) => drafted(before, at, part))} />
      {error !== undefined && <Problem of={error} />}
      <div class="row">
        <button type="submit" class="good" disabled={busy}>
          Send the answer
        </button>
        <button type="button" onClick={onBack}>
          Back
        </button>
        {made.kind !== 'json' && (
          <label class="check">
            <input
              type="checkbox"
              checked={asJson}
              onChange={({ currentTarget: { checked } }) => {
                const filled = valueOf(made, draft);
                setDraft(checked ? (filled.ok ? JSON.stringify(filled.value, null, 2) : '') : emptyOf(made));
                setFaults([]);
                setAsJson(checked);
              }}
            />{' '}
            Write it as JSON
          </label>
        )}
      </div>
    </form>
  );
}

interface PartProps {
  readonly of: Field;
  readonly draft: Draft;
  /** Positions from the whole answer on. */
  readonly at: readonly number[];
  readonly faults: readonly Fault[];
  readonly set: (at: readonly number[], part: Draft) => void;
}

function Part(props: PartProps) {
  const { of, at, faults } = props;
  const id = useId();
  const fault = faults.find((one) => one.at === at.join('.'));
  const about = (
    <>
      {of.about !== '' && (
        <p class="dim">
          <Text of={of.about} />
        </p>
      )}
      {of.takes !== '' && (
        <p class="dim" id={`${id}-takes`}>
          <Text of={of.takes} />
        </p>
      )}
    </>
  );
  const told = fault !== undefined && (
    <p class="fault" id={`${id}-fault`} role="alert">
      <Text of={fault.message} />
    </p>
  );
  if (of.kind === 'object' || of.kind === 'list')
    return (
      <fieldset aria-describedby={fault === undefined ? undefined : `${id}-fault`}>
        <legend>
          <Named of={of} at={at} />
        </legend>
        {about}
        {of.kind === 'object' ? <Members {...props} of={of} /> : <Items {...props} of={of} isWrong={fault !== undefined} />}
        {told}
      </fieldset>
    );
  const describedBy = [of.takes === '' ? '' : `${id}-takes`, fault === undefined ? '' : `${id}-fault`].filter((one) => one !== '');
  return (
    <div class="field">
      <label for={id}>
        <Named of={of} at={at} />
      </label>
      {about}
      <Control {...props} id={id} isWrong={fault !== undefined} describedBy={describedBy.join(' ')} />
      {told}
    </div>
  );
}

function Named({ of, at }: { readonly of: Field; readonly at: readonly number[] }): ComponentChildren {
  if (of.name !== '')
    return (
      <>
        <Text of={of.name} />
        {of.optional && <span class="dim"> (may be left out)</span>}
      </>
    );
  return at.length === 0 ? 'Your answer' : `Item ${(at.at(-1) ?? 0) + 1}`;
}

function Members({ of, draft, at, faults, set }: Omit<PartProps, 'of'> & { readonly of: Extract<Field, { kind: 'object' }> }) {
  return (
    <>
      {of.members.map((member, i) => (
        <Part key={of.keys[i]} of={member} draft={draft[i] ?? ''} at={[...at, i]} faults={faults} set={set} />
      ))}
    </>
  );
}

function Items({
  of,
  draft,
  at,
  faults,
  set,
  isWrong,
}: Omit<PartProps, 'of'> & { readonly of: Extract<Field, { kind: 'list' }>; readonly isWrong: boolean }) {
  const items = typeof draft === 'string' ? [] : draft;
  return (
    <>
      {items.map((item, i) => (
        // An item has nothing but its place by which it is known.
        // oxlint-disable-next-line no-array-index-key
        <div class="item" key={i}>
          <Part of={of.item} draft={item} at={[...at, i]} faults={faults} set={set} />
          <button
            type="button"
            class="quiet"
            aria-label={`Take item ${i + 1} out`}
            onClick={() =>
              set(
                at,
                items.filter((_, other) => other !== i),
              )
            }
          >
            Take out
          </button>
        </div>
      ))}
      <button type="button" aria-invalid={isWrong} onClick={() => set(at, [...items, emptyOf(of.item)])}>
        Add an item
      </button>
    </>
  );
}

interface ControlProps extends PartProps {
  readonly id: string;
  readonly isWrong: boolean;
  readonly describedBy: string;
}

function Control({ of, draft, at, set, id, isWrong, describedBy }: ControlProps) {
  const shared = {
    id,
    'aria-invalid': isWrong,
    ...(describedBy === '' ? {} : { 'aria-describedby': describedBy }),
    value: typeof draft === 'string' ? draft : '',
  };
  const take = (event: { readonly currentTarget: { readonly value: string } }) => set(at, event.currentTarget.value);
  switch (of.kind) {
    case 'boolean':
      return (
        <select {...shared} onChange={take}>
          <option value="">Choose…</option>
          <option value="yes">Yes</option>
          <option value="no">No</option>
        </select>
      );
    case 'choice':
      return (
        <select {...shared} onChange={take}>
          <option value="">Choose…</option>
          {of.values.map((value, i) => (
            <option key={JSON.stringify(value)} value={String(i)}>
              <Brief of={value} />
            </option>
          ))}
        </select>
      );
    case 'number':
      return <input {...shared} inputMode="decimal" autocomplete="off" onInput={take} />;
    default:
      return <textarea {...shared} rows={of.kind === 'json' ? 6 : 2} spellcheck={of.kind !== 'json'} onInput={take} />;
  }
}
