import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { planPage, resolveAudience } from '../../src/crm/audience.ts';
import { appendAudit, listAudit, type AuditFilter } from '../../src/crm/audit.ts';
import { listActivations } from '../../src/crm/activations.ts';
import { listImports } from '../../src/crm/imports/import.ts';
import { listLeads } from '../../src/crm/leads/list.ts';
import { listSuppressions } from '../../src/crm/suppressions.ts';
import type { LeadFilter } from '../../src/shared/schemas/leads.ts';
import { addLeads, emptyCrm, hashEmail } from '../support/crm-database.ts';
import { plansOf } from '../support/query-plans.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

/** Steps that read a whole table or put rows in order themselves; `c` are leads found already, to a bound. */
function costly(steps: readonly string[]): string[] {
  return steps.filter(
    (step) =>
      (/^SCAN \w+$/.test(step) && step !== 'SCAN c' && step !== 'SCAN lead_counts') ||
      step.includes('TEMP B-TREE'),
  );
}

describe('leads, as they are really asked for', () => {
  const filters: [string, LeadFilter][] = [
    ['a status', { status: 'new' }],
    ['a source', { source: 'Web' }],
    ['a stage and a source', { stage: 'Won', source: 'Web' }],
    ['an import and a status', { importId: 'small', status: 'new' }],
    ['a consent source and a word', { consentSource: 'fair', search: 'ann' }],
    ['two words', { search: 'ann name1' }],
    ['a domain, or the beginning of an address', { search: 'example.com', source: 'Web' }],
    ['the beginning of a domain, and initials', { search: "@exam j.r. o'neil.x" }],
  ];

  it.each(filters)('a page, its count and a look for the rarest condition: %s', async (_, filter) => {
    await addLeads(db, [{ source: 'Web', stage: 'Won' }, { source: 'Web' }, { stage: 'Won' }]);
    const plans = await plansOf(db, (recorder) =>
      listLeads(recorder, { filter, sort: '-id', cursor: null, limit: 50 }),
    );
    expect(plans.length).toBeGreaterThan(1);
    for (const { sql, steps } of plans) expect(costly(steps), `${sql}\n${steps.join('\n')}`).toEqual([]);
  });

  it.each(filters)('the pages of a run: %s', async (_, filter) => {
    await addLeads(db, [{ source: 'Web', stage: 'Won' }, { source: 'Web' }, { stage: 'Won' }]);
    const plans = await plansOf(db, async (recorder) => {
      await resolveAudience(recorder, { filter });
      const audience = { filter, excludedIds: [2] };
      await planPage(recorder, { audience, afterLeadId: 1, maxLeadId: 3, revision: 1_000, limit: 100 });
    });
    expect(plans).toHaveLength(2);
    for (const { sql, steps } of plans) expect(costly(steps), `${sql}\n${steps.join('\n')}`).toEqual([]);
  });
});

describe('the other lists', () => {
  const everyPage = async (
    list: (recorder: D1Database, cursor: string | null) => Promise<string | null>,
  ): Promise<string[]> => {
    const plans = await plansOf(db, async (recorder) => {
      await list(recorder, await list(recorder, null));
    });
    return plans.flatMap(({ steps }) => costly(steps));
  };

  it('imports, runs and suppressions are walked in the order they are shown in', async () => {
    const page = { cursor: null, limit: 1 } as const;
    const plans = await plansOf(db, async (recorder) => {
      await listImports(recorder, page);
      await listActivations(recorder, page);
      await listSuppressions(recorder, { ...page, emailHash: null, reason: null });
      await listSuppressions(recorder, { ...page, emailHash: hashEmail('a@x.test'), reason: null });
    });
    expect(plans.length).toBeGreaterThanOrEqual(4);
    for (const { sql, steps } of plans) expect(costly(steps), `${sql}\n${steps.join('\n')}`).toEqual([]);
  });

  beforeAll(async () => {
    db = await emptyCrm();
    for (const at of [998, 999]) {
      await appendAudit(db, {
        at,
        actor: 'ana@example.com',
        role: 'admin',
        action: 'lead.edit',
        target: 'lead:1',
        country: null,
        requestId: 'r',
        detail: null,
      });
    }
  });

  const audits: [string, AuditFilter, index: string][] = [
    ['all of it', {}, 'audit_at'],
    ['up to a day', { toAt: 1_000 }, 'audit_at (at<?)'],
    ['a day', { fromAt: 900, toAt: 1_000 }, 'audit_at (at>? AND at<?)'],
    ['one person', { actor: 'ana@example.com', toAt: 1_000 }, 'audit_actor (actor=? AND at<?)'],
    ['one kind of act', { action: 'lead.edit', toAt: 1_000 }, 'audit_action (action=? AND at<?)'],
    ['one lead', { target: 'lead:1', fromAt: 1 }, 'audit_target (target=? AND at>?)'],
  ];

  it.each(audits)('the audit begins where it is asked for: %s', async (_, filter, index) => {
    let pageCount = 0;
    const found = await everyPage(async (recorder, cursor) => {
      const answer = await listAudit(recorder, { filter, cursor, limit: 1 });
      if (answer.kind !== 'ok') throw new Error(answer.kind);
      pageCount += 1;
      expect(answer.page.entries).toMatchObject([{ at: pageCount === 1 ? 999 : 998 }]);
      return answer.page.nextCursor;
    });
    expect(found).toEqual([]);
    const [first] = await plansOf(db, (recorder) => listAudit(recorder, { filter, cursor: null, limit: 1 }));
    expect(first?.steps.join('\n')).toContain(index);
  });
});
