/** What is known of a file before any of it is imported, and what is said about it. */
import { describe, expect, it } from 'vitest';
import { guessLayout } from '../../src/shared/imports/import-file.ts';
import { checkFile, type CheckStep } from '../../web/src/lib/imports/check-file.ts';
import { withRejected } from '../../web/src/lib/imports/file-report.ts';
import { forecast, maxServerCheckCount } from '../../web/src/lib/imports/forecast.ts';
import {
  columnOrder,
  externalSourceOf,
  mappingProblems,
  suggestedChoice,
  type MappingChoice,
  usedColumnCount,
} from '../../web/src/lib/imports/mapping.ts';
import { lookAtFile } from '../../web/src/lib/imports/read-file.ts';
import { rememberChoice, rememberedChoice } from '../../web/src/lib/imports/remembered-mappings.ts';
import { shownState } from '../../web/src/lib/imports/shown-state.ts';
import { formatBytes, importMessages } from '../../web/src/lib/messages/imports.ts';

async function check(text: string): Promise<CheckStep[]> {
  const file = new File([text], 'people.csv');
  const { reading, layout } = await lookAtFile(file);
  const steps: CheckStep[] = [];
  for await (const step of checkFile(file, reading, { mapping: layout.mapping, consentSource: 'fair' }))
    steps.push(step);
  return steps;
}

describe('the check of a file', () => {
  it('says which rows are not taken, why and where, and asks about the others only', async () => {
    const steps = await check(
      'Email,Name\nann@example.org,Ann\nnobody,X\n,Y\nANN@example.org,Ann again\ncem@localhost,Cem\n,Z\n',
    );
    const { report } = steps.at(-1)!;
    expect(report).toMatchObject({
      rowCount: 6,
      leadCount: 2,
      duplicateCount: 1,
      rejectedCount: 3,
      unmailableCount: 1,
    });
    expect(report.reasons).toEqual([
      { reason: 'there is no email address', count: 2, lines: [4, 7] },
      { reason: 'the email cell holds no address', count: 1, lines: [3] },
      { reason: 'the address is in an earlier row', count: 1, lines: [5] },
    ]);
    expect(report.examples[0]).toEqual({
      line: 3,
      reason: 'the email cell holds no address',
      cell: 'nobody',
    });
    const asked = steps.flatMap(({ rowsJson }) =>
      rowsJson === '' ? [] : (JSON.parse(rowsJson) as object[]),
    );
    expect(asked).toEqual([
      { line: 2, cells: ['ann@example.org', 'Ann'] },
      { line: 6, cells: ['cem@localhost', 'Cem'] },
    ]);
  });

  it('counts an external id once, and adds the rows that the server would reject', async () => {
    const steps = await check('Email,External ID\na@x.example,1\nb@x.example,1\nc@x.example,2\nnobody,3\n');
    const { report } = steps.at(-1)!;
    expect(report).toMatchObject({ leadCount: 2, duplicateCount: 1, rejectedCount: 1 });
    expect(report.reasons).toContainEqual({
      ...{ reason: 'the external id is in an earlier row', count: 1, lines: [3] },
    });
    const rejected = {
      line: 4,
      reason: 'the external id belongs to a lead with another address',
      cell: 'c@x.example',
    };
    const whole = withRejected(report, [rejected, { ...rejected, line: 2, cell: 'a@x.example' }]);
    expect(whole).toMatchObject({ rowCount: 4, leadCount: 0, duplicateCount: 1, rejectedCount: 3 });
    expect(whole.reasons[0]).toEqual({ reason: rejected.reason, count: 2, lines: [4, 2] });
    expect(whole.examples.map(({ line }) => line)).toEqual([2, 3, 4, 5]);
    expect(forecast(whole, { created: 0, updated: 0, unchanged: 0 })).toMatchObject({
      rejected: 3,
      isEstimate: false,
    });
  });

  it('asks the server about a bounded part of a large file', { timeout: 60_000 }, async () => {
    const count = maxServerCheckCount + 5_000;
    const lines = Array.from({ length: count }, (_, at) => `n${at}@example.org`);
    const steps = await check(`Email\n${lines.join('\n')}\n`);
    const asked = steps.map(({ rowsJson }) =>
      rowsJson === '' ? 0 : (JSON.parse(rowsJson) as object[]).length,
    );
    expect(asked.reduce((sum, each) => sum + each, 0)).toBe(maxServerCheckCount);
    expect(Math.max(...asked)).toBeLessThanOrEqual(2_000);
    expect(steps.at(-1)?.report.leadCount).toBe(count);
  });

  it('is exact where all were asked about, and says so where not', () => {
    const report = { leadCount: 10, rejectedCount: 1, duplicateCount: 2 };
    expect(forecast(report, { created: 7, updated: 1, unchanged: 2 })).toEqual({
      created: 7,
      updated: 1,
      unchanged: 2,
      rejected: 1,
      duplicate: 2,
      isEstimate: false,
    });
    expect(
      forecast({ ...report, leadCount: 61_234 }, { created: 15_000, updated: 5_000, unchanged: 0 }),
    ).toMatchObject({ created: 46_000, updated: 15_000, unchanged: 0, isEstimate: true });
  });
});

describe('the columns of a file', () => {
  const layout = guessLayout([
    ['Name', 'City', 'Email', '', 'Postal code', 'Empty'],
    ['Ann', 'Łódź', 'a@example.org', 'x', '90-001', ''],
  ]);
  const rows = [['Ann', 'Łódź', 'a@example.org', 'x', '90-001', '']];
  const choice = suggestedChoice(layout, rows);

  it('are all used that have a name and a value, and the others are seen to be left out', () => {
    expect(choice.fields).toEqual(['fullName', 'custom:city', 'email', null, 'custom:postal_code', null]);
    expect(usedColumnCount(choice)).toBe(4);
    expect(importMessages.mapping.used(4, 6)).toBe('4 of 6 columns used');
  });

  it('are not taken for consent where they are empty', () => {
    const header = ['Email', 'Consent', 'Phone'];
    const empty = guessLayout([header, ['a@example.org', ' ', '1']]);
    const { fields } = suggestedChoice(empty, [['a@example.org', ' ', '1']]);
    expect(fields).toEqual(['email', null, 'phone']);
    expect(mappingProblems({ fields, emailColumn: null, externalSource: '' }, '')).toEqual(['consent']);
  });

  it('make no more custom fields than a lead may have', () => {
    const header = [
      'Email',
      ...Array.from({ length: 30 }, (_, at) => `field${String.fromCharCode(97 + (at % 26))}${at}`),
    ];
    const many = guessLayout([header, header.map((_, at) => (at === 0 ? 'a@example.org' : 'x'))]);
    const { fields } = suggestedChoice(many, [header.map(() => 'x')]);
    expect(fields.filter((field) => field?.startsWith('custom:'))).toHaveLength(20);
    expect(mappingProblems({ fields, emailColumn: null, externalSource: '' }, 'fair')).toEqual([]);
  });

  it('are listed with the addresses first', () => {
    expect(columnOrder(layout)).toEqual([2, 0, 1, 3, 4, 5]);
  });

  it('lack what is needed, which is named', () => {
    expect(mappingProblems(choice, ' ')).toEqual(['consent']);
    const chosen = { emailColumn: null, externalSource: '' };
    expect(mappingProblems({ ...chosen, fields: [null] }, '')).toEqual(['email', 'consent']);
    expect(mappingProblems({ ...chosen, fields: ['email', 'consentSource'] }, '')).toEqual([]);
    const ids: MappingChoice = { ...chosen, fields: ['email', 'externalId'] };
    expect(mappingProblems(ids, 'fair')).toEqual(['externalSource']);
    expect(mappingProblems({ ...ids, externalSource: 'Hub Spot' }, 'fair')).toEqual(['externalSource']);
    expect(mappingProblems({ ...ids, externalSource: ' hubspot ' }, 'fair')).toEqual([]);
    expect(externalSourceOf({ ...ids, externalSource: ' hubspot ' })).toBe('hubspot');
    expect(externalSourceOf({ ...chosen, fields: ['email'], externalSource: 'hubspot' })).toBe('');
  });

  it('are matched as last time where the header is the same', () => {
    const stored = new Map<string, string>();
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    };
    expect(rememberedChoice(storage, layout.columns)).toBeNull();
    const chosen = { fields: [null, ...choice.fields.slice(1)], emailColumn: 2, externalSource: 'hubspot' };
    rememberChoice(storage, layout.columns, chosen);
    for (let at = 0; at < 19; at++)
      rememberChoice(storage, [`other ${at}`], { fields: [null], emailColumn: null, externalSource: '' });
    expect(rememberedChoice(storage, layout.columns)).toEqual(chosen);
    expect(rememberedChoice(storage, [...layout.columns].reverse())).toBeNull();
    rememberChoice(storage, ['one more'], { fields: [null], emailColumn: null, externalSource: '' });
    expect(rememberedChoice(storage, layout.columns)).toBeNull();
    stored.set([...stored.keys()][0]!, '[[1],{"x":2},["a",["no field"],null]]');
    expect(rememberedChoice(storage, ['a'])).toBeNull();
  });
});

describe('the words of an import', () => {
  it('give sizes in the unit that fits', () => {
    expect([0, 820, 1_640, 41_600, 999_600, 42_000_000].map(formatBytes)).toEqual([
      '0 B',
      '820 B',
      '1.6 KB',
      '42 KB',
      '1 MB',
      '42 MB',
    ]);
  });

  it('leave zeros out', () => {
    expect(importMessages.list.other(0, 0, 0)).toBe('–');
    expect(importMessages.list.other(0, 2, 1_000)).toBe('2 repeated, 1,000 rejected');
  });

  it('say that rows are being imported while a chunk is not long ago', () => {
    expect(shownState({ state: 'open', updatedAt: 0 }, false, 10_000)).toBe('importing');
    expect(shownState({ state: 'open', updatedAt: 0 }, false, 40_000)).toBe('open');
    expect(shownState({ state: 'open', updatedAt: 0 }, true, 40_000)).toBe('importing');
    expect(shownState({ state: 'done', updatedAt: 0 }, false, 0)).toBe('done');
  });
});
