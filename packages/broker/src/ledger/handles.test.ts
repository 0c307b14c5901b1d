import { expect, test } from 'vitest';
import { CLEAN } from '@corral/policy/flow/labels';
import { Handles } from './handles.ts';

test('a part of a handle that only a dropped draft had is not taken for a part of the next handle', () => {
  const handles = new Handles();
  const draft = handles.draft();
  draft.add({ value: { secret: 'of the draft' }, label: CLEAN, source: 'read' });
  expect(draft.get(1, ['secret']).value).toBe('of the draft');
  handles.add({ value: { secret: 'of the run' }, label: CLEAN, source: 'read' });
  expect(handles.get(1, ['secret']).value).toBe('of the run');
});
