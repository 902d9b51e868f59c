import { describe, expect, it } from 'vitest';
import { apiHeaders, isSignedOut } from '../../packages/client/src/exchange.ts';
import { refreshedPage } from '../../web/src/lib/leads/refreshed-page.ts';
import type { FoundLead } from '../../src/shared/schemas/leads.ts';

describe('an expired sign-in', () => {
  it('shows as a 401, because requests ask Access for that instead of its login page', () => {
    expect(apiHeaders['x-requested-with']).toBe('XMLHttpRequest');
  });

  it('is recognized by a 401, and by a redirect to a login that a script cannot follow', () => {
    expect(isSignedOut({ status: 401, type: 'basic' })).toBe(true);
    expect(isSignedOut({ status: 0, type: 'opaqueredirect' })).toBe(true);
    for (const status of [200, 304, 403, 404, 500])
      expect(isSignedOut({ status, type: 'basic' }), String(status)).toBe(false);
  });
});

describe('a page of leads that is read again while a run goes on', () => {
  const lead = (id: number, status: FoundLead['status']) => ({ id, status }) as FoundLead;
  const shown = {
    leads: [lead(3, 'new'), lead(2, 'new'), lead(1, 'new')],
    total: 3,
    isTotalExact: true,
    nextCursor: 'c',
  };
  const fresh = {
    leads: [lead(4, 'new'), lead(3, 'active')],
    total: 2,
    isTotalExact: true,
    nextCursor: null,
  };

  it('is replaced by the new one when no lead is selected', () => {
    expect(refreshedPage(shown, fresh, false)).toEqual(fresh);
  });

  it('keeps the leads that did not change as they are, so that their rows are not drawn again', () => {
    const [first, second] = [lead(1, 'new'), lead(2, 'new')];
    const page = { ...shown, leads: [second, first] };
    const again = { ...fresh, leads: [lead(2, 'active'), lead(1, 'new')] };
    for (const isChoosing of [false, true]) {
      const { leads } = refreshedPage(page, again, isChoosing);
      expect(leads[0]).toEqual(lead(2, 'active'));
      expect(leads[1]).toBe(first);
    }
  });

  it('keeps every row in its place while a person selects leads, and shows its new status', () => {
    expect(refreshedPage(shown, fresh, true)).toEqual({
      leads: [lead(3, 'active'), lead(2, 'new'), lead(1, 'new')],
      total: 2,
      isTotalExact: true,
      nextCursor: 'c',
    });
  });
});
