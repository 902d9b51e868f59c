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
  const typed = {
    draft: { ...fieldsOf(lead), stage: 'lost ' },
    custom: [
      { name: 'size', value: 'XL' },
      { name: 'colour', value: 'red' },
    ],
  };
  const found = followed(typed, lead, { ...lead, stage: 'qualified', custom: { size: 'L', shoe: '42' } });
  expect(found.draft.stage).toBe('lost ');
  expect(found.custom).toEqual([...typed.custom, { name: 'shoe', value: '42' }]);
});

it('nothing is written into a field that somebody is in while the lead is the same', () => {
  // A blank on the way to the next word, and a field of which only the name is there yet.
  const typed = {
    draft: { ...fieldsOf(lead), firstName: 'Ann ' },
    custom: [...customRowsOf(lead), { name: 'colour', value: '' }],
  };
  const found = followed(typed, lead, { ...lead, stage: 'qualified' });
  expect(found.draft.firstName).toBe('Ann ');
  expect(found.custom).toBe(typed.custom);
});

it('a field that a colleague has removed goes, unless it is being typed into', () => {
  const rows = customRowsOf(lead);
  const draft = fieldsOf(lead);
  expect(followed({ draft, custom: rows }, lead, { ...lead, custom: {} }).custom).toEqual([]);
  const custom = [{ name: 'size', value: 'XL' }];
  expect(followed({ draft, custom }, lead, { ...lead, custom: {} }).custom).toEqual(custom);
  const odd = { ...lead, custom: { constructor: 'x' } };
  expect(followed({ draft, custom: customRowsOf(odd) }, odd, { ...odd, custom: {} }).custom).toEqual([]);
});

it('the first answer fills the form', () => {
  const empty = { draft: fieldsOf(null), custom: customRowsOf(null) };
  expect(followed(empty, null, lead).draft.firstName).toBe('Ann');
});
