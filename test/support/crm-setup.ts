/**
 * Leads that have records in a foreign CRM, and the comparison of that CRM with our ledger.
 *
 * @module
 */
import { expect } from 'vitest';
import { countInCrm } from '../../src/core/batch/batch.ts';
import type { FakeCrm } from './fake-crm.ts';
import { readRows } from './session-driver.ts';

/** Gives the leads with these ids the records `r<id>` of a system. */
export async function linkLeads(db: D1Database, source: string, upTo = 1_000_000): Promise<void> {
  await db
    .prepare("UPDATE leads SET external_source = ?, external_id = 'r' || id WHERE id <= ?")
    .bind(source, upTo)
    .run();
}

/** The settings of the fake of our own form. */
export const httpCrm = {
  CRM_PROVIDER: 'http',
  CRM_API_URL: 'https://crm.acme.com/activations',
  CRM_API_KEY: 'crm-key',
} as const;

/** A record is active in the CRM exactly when its lead is active in our ledger. */
export async function expectLedger(db: D1Database, crm: FakeCrm, field = 'lead_activation'): Promise<void> {
  const { results } = await db
    .prepare("SELECT external_id AS id FROM leads WHERE status = 'active' AND external_id IS NOT NULL")
    .all<{ id: string }>();
  expect(crm.idsWith(field, 'active')).toEqual(
    results
      .map(({ id }) => id)
      .filter((id) => crm.records.has(id))
      .sort(),
  );
}

/** The counter *in CRM* is what the rows say. */
export async function expectCounted(sessionId: string): Promise<void> {
  const { session, batches } = await readRows(sessionId);
  expect(session.crm?.inCrm).toBe(batches.reduce((sum, batch) => sum + countInCrm(batch), 0));
}
