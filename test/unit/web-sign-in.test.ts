import { describe, expect, it } from 'vitest';
import { apiHeaders, isSignedOut } from '../../web/src/lib/api/sign-in.ts';
import { refreshedPage } from '../../web/src/lib/leads/refreshed-page.ts';
import type { Lead } from '../../src/shared/schemas/leads.ts';

describe('a sign-in that has run out', () => {
  it('is asked for in the way that Access answers with 401 instead of its login page', () => {
    expect(apiHeaders['x-requested-with']).toBe('XMLHttpRequest');
  });

  it('is seen by 401, and by a redirect to a login that a script cannot follow', () => {
    expect(isSignedOut({ status: 401, type: 'basic' })).toBe(true);
    expect(isSignedOut({ status: 0, type: 'opaqueredirect' })).toBe(true);
    for (const status of [200, 304, 403, 404, 500])
      expect(isSignedOut({ status, type: 'basic' }), String(status)).toBe(false);
  });
});

describe('a page of leads that is read again while a run goes on', () => {
  const lead = (id: number, status: Lead['status']) => ({ id, status }) as Lead;
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

  it('is the new one, as long as nobody is choosing', () => {
    expect(refreshedPage(shown, fresh, false)).toBe(fresh);
  });

  it('keeps every row in its place under a person who is choosing, and says what became of it', () => {
    expect(refreshedPage(shown, fresh, true)).toEqual({
      leads: [lead(3, 'active'), lead(2, 'new'), lead(1, 'new')],
      total: 2,
      isTotalExact: true,
      nextCursor: 'c',
    });
  });
});
