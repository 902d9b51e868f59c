import { expect, it } from 'vitest';
import { sampleLeads } from '../../scripts/lib/sample-leads.ts';
import { isUsableEmail } from '../../src/crm/email.ts';

it('sample leads are the same each time, and a larger set begins with a smaller one', () => {
  const leads = sampleLeads(300);
  expect(sampleLeads(300)).toEqual(leads);
  expect(sampleLeads(400).slice(0, 300)).toEqual(leads);
});

it('sample leads have valid, distinct addresses that belong to nobody', () => {
  const leads = sampleLeads(3_000);
  expect(new Set(leads.map((lead) => lead.email.toLowerCase())).size).toBe(3_000);
  for (const { email } of leads) {
    expect(isUsableEmail(email)).toBe(true);
    expect(email).toMatch(/@(?:example\.(?:com|org|net)|[a-z-]{1,63}\.example)$/);
  }
});
