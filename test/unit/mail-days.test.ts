/**
 * On which day the mails of a session left, and whose bounces they are.
 */
import { describe, expect, test } from 'vitest';
import { countOnMailDays, noteMailDay, toldMailDays } from '../../src/core/session/mail-days.ts';

const empty: Parameters<typeof noteMailDay>[0] = { mailDays: null };
const bounce = (leadId: number) => ({ leadId, bounced: 1, complained: 0 });

/** Leads 1–99 left on day 10, 100–199 on day 11, the others on day 12. */
const session = [
  [10, 5],
  [10, 1],
  [11, 100],
  [11, 150],
  [12, 200],
].reduce((noted, [day = 0, leadId = 0]) => noteMailDay(noted, day, leadId), empty);

describe('the mail days of a session', () => {
  test('are ranges of lead ids, also where batches leave out of order', () => {
    expect(session.mailDays?.map(({ day, fromLeadId }) => [day, fromLeadId])).toEqual([
      [10, 1],
      [11, 100],
      [12, 200],
    ]);
    expect(noteMailDay(session, 12, 201)).toBe(session);
    // A clock that was set back begins no day of before.
    expect(noteMailDay(session, 11, 300)).toBe(session);
  });

  test('get the bounces of their mails, however late', () => {
    const counted = countOnMailDays(session, [bounce(99), bounce(100), bounce(101), bounce(5_000)]);
    expect(counted.mailDays?.map(({ bounced }) => bounced)).toEqual([1, 2, 1]);
    expect(countOnMailDays(session, [{ leadId: 7, bounced: 0, complained: 0 }])).toBe(session);
    expect(countOnMailDays(empty, [bounce(1)])).toBe(empty);
  });

  test('are told until the warm-up has these figures', () => {
    const before = countOnMailDays(session, [bounce(1)]);
    const untold = before.mailDays?.filter(({ isTold }) => !isTold) ?? [];
    expect(untold.map(({ day }) => day)).toEqual([10]);
    // Another bounce comes while the gate is told of the first.
    const during = countOnMailDays(before, [bounce(2)]);
    expect(toldMailDays(during, untold).mailDays?.[0]?.isTold).toBe(false);
    expect(toldMailDays(before, untold).mailDays?.every(({ isTold }) => isTold)).toBe(true);
  });

  test('are the last two weeks', () => {
    let long = empty;
    for (let day = 1; day <= 30; day++) long = noteMailDay(long, day, day * 10);
    expect([long.mailDays?.length, long.mailDays?.[0]?.day]).toEqual([14, 17]);
    const late = countOnMailDays(long, [bounce(5)]);
    expect(late.mailDays?.some(({ bounced }) => bounced > 0)).toBe(false);
  });
});
