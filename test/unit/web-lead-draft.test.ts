import { expect, it } from 'vitest';
import type { Lead } from '../../src/shared/schemas/leads.ts';
import { customRowsOf, fieldsOf, followed } from '../../web/src/lib/leads/lead-draft.ts';

const lead = { firstName: 'Ann', stage: 'new', notes: '', custom: { size: 'M' } } as unknown as Lead;

it('what nobody has typed into follows the lead, so that a save does not undo what a colleague has changed', () => {
  const typed = {
    draft: { ...fieldsOf(lead), notes: 'Call her on Mon' },
    custom: customRowsOf(lead),
  };
  const changed = { ...lead, stage: 'qualified', custom: { size: 'L' } };
  const { draft, custom } = followed(typed, lead, changed);
  expect(draft).toEqual({ ...fieldsOf(changed), notes: 'Call her on Mon' });
  expect(custom).toEqual([{ name: 'size', value: 'L' }]);
});

it('what is being typed stays, also where a colleague has changed the same', () => {
  const custom = [...customRowsOf(lead), { name: 'colour', value: 'red' }];
  const typed = { draft: { ...fieldsOf(lead), stage: 'lost ' }, custom };
  const found = followed(typed, lead, { ...lead, stage: 'qualified', custom: { size: 'L' } });
  expect(found.draft.stage).toBe('lost ');
  expect(found.custom).toEqual(custom);
});

it('the first answer fills the form', () => {
  const empty = { draft: fieldsOf(null), custom: customRowsOf(null) };
  expect(followed(empty, null, lead).draft.firstName).toBe('Ann');
});
