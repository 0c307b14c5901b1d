/** What waits for people, and what people decided: calls, questions, and decisions of before, each in a part of its own. */
import { go, href, place } from '../data/address.ts';
import { useKeys } from '../keys.ts';
import { Empty } from '../ui/parts.tsx';
import { CallsThatWait } from './approval-calls.tsx';
import { DecidedCalls } from './approval-decided.tsx';
import { Questions } from './questions.tsx';

const PARTS = [
  { at: 'calls', name: 'Calls', key: '1', View: CallsThatWait },
  { at: 'questions', name: 'Questions', key: '2', View: Questions },
  { at: 'decided', name: 'Decided', key: '3', View: DecidedCalls },
] as const;

export function Approvals() {
  const at = place.value[1] ?? 'calls';
  useKeys(PARTS.map(({ at: part, name, key }) => ({ key, does: name, run: () => go(`approvals/${part}`) })));
  const part = PARTS.find((one) => one.at === at);
  return (
    <section class="approvals">
      <h1>Approvals</h1>
      <nav class="tabs" aria-label="Parts of the approvals">
        {PARTS.map(({ at: one, name }) => (
          <a key={one} href={href('approvals', one)} aria-current={one === at ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      {part === undefined ? <Empty>There is no such part.</Empty> : <part.View key={part.at} />}
    </section>
  );
}
