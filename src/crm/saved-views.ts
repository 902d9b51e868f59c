/**
 * What the leads page offers to choose from: the values that leads have, and views a person has kept.
 *
 * @module
 */
import { mentions, type ForgottenPerson } from '../shared/forgotten.ts';
import { limits } from '../shared/limits.ts';
import type { LeadValues, View } from '../shared/schemas/activation.ts';
import { namesStatement } from './leads/custom-fields.ts';

// A jump from each value to the next in the column's index: as many seeks as there are values, however
// many leads have them.
const valuesSql = (column: string): string => `
  WITH RECURSIVE known (value) AS (
    SELECT min(${column}) FROM leads
    UNION ALL
    SELECT (SELECT min(${column}) FROM leads WHERE ${column} > known.value) FROM known
    WHERE known.value IS NOT NULL
    LIMIT ?1 + 1
  )
  SELECT value FROM known WHERE value <> '' LIMIT ?1`;

/** The values that leads have, in order; of each property the first hundred. */
export async function leadValues(db: D1Database): Promise<LeadValues> {
  const [source, stage, consentSource, custom] = await db.batch<{ value: string }>([
    ...['source', 'stage', 'consent_source'].map((column) =>
      db.prepare(valuesSql(column)).bind(limits.maxLeadValueCount),
    ),
    namesStatement(db),
  ]);
  const valuesOf = (result: D1Result<{ value: string }> | undefined): string[] =>
    (result?.results ?? []).map((row) => row.value);
  return {
    source: valuesOf(source),
    stage: valuesOf(stage),
    consentSource: valuesOf(consentSource),
    custom: valuesOf(custom),
  };
}

interface ViewRow {
  view_id: number;
  name: string;
  query: string;
  created_at: number;
}

const toView = (row: ViewRow): View => ({
  viewId: row.view_id,
  name: row.name,
  query: row.query,
  createdAt: row.created_at,
});

/** The views of one person, by name. */
export async function listViews(db: D1Database, owner: string): Promise<View[]> {
  const { results } = await db
    .prepare('SELECT view_id, name, query, created_at FROM views WHERE owner = ? ORDER BY name LIMIT ?')
    .bind(owner, limits.maxViewCount)
    .all<ViewRow>();
  return results.map(toView);
}

/**
 * Keeps a view; one of the same name, in any case, becomes this one.
 *
 * @returns `too_many` when the person has as many views as there may be
 */
export async function saveView(
  db: D1Database,
  view: { owner: string; name: string; query: string; nowMs: number },
): Promise<{ kind: 'ok'; view: View } | { kind: 'too_many' }> {
  const row = await db
    .prepare(
      `INSERT INTO views (owner, name, query, created_at) SELECT ?1, ?2, ?3, ?4
       WHERE (SELECT count(*) FROM views WHERE owner = ?1 AND name <> ?2) < ?5
       ON CONFLICT (owner, name) DO UPDATE SET name = excluded.name, query = excluded.query
       RETURNING view_id, name, query, created_at`,
    )
    .bind(view.owner, view.name, view.query, view.nowMs, limits.maxViewCount)
    .first<ViewRow>();
  return row === null ? { kind: 'too_many' } : { kind: 'ok', view: toView(row) };
}

/** A view of somebody, as an export of what is held about a person shows it. */
type OwnedView = View & { owner: string };

/** Views that are looked at together, to see whether they have an address in them. */
const viewPageCount = 500;

/**
 * Everybody's views with this person in their name or in what they look for. They are few, and written as
 * URLs are, in which one address can be spelt in many ways: so each is read.
 */
export async function viewsAbout(db: D1Database, person: ForgottenPerson): Promise<OwnedView[]> {
  const isAbout = ({ name, query }: OwnedView): boolean =>
    [name, ...new URLSearchParams(query).values()].some((text) => mentions(text, person));
  const found: OwnedView[] = [];
  for (let after = 0; ;) {
    const { results } = await db
      .prepare('SELECT * FROM views WHERE view_id > ? ORDER BY view_id LIMIT ?')
      .bind(after, viewPageCount)
      .all<ViewRow & { owner: string }>();
    found.push(...results.map((row) => ({ owner: row.owner, ...toView(row) })).filter(isAbout));
    const last = results.at(-1);
    if (last === undefined || results.length < viewPageCount) return found;
    after = last.view_id;
  }
}

/** Forgets these views, but for those that have become others meanwhile. */
export async function forgetViews(db: D1Database, views: readonly OwnedView[]): Promise<void> {
  const remove = db.prepare('DELETE FROM views WHERE view_id = ? AND name = ? AND query = ?');
  if (views.length === 0) return;
  await db.batch(views.map(({ viewId, name, query }) => remove.bind(viewId, name, query)));
}

/** Forgets one of a person's own views. @returns false when there was no such view */
export async function deleteView(db: D1Database, view: { owner: string; viewId: number }): Promise<boolean> {
  const result = await db
    .prepare('DELETE FROM views WHERE view_id = ? AND owner = ?')
    .bind(view.viewId, view.owner)
    .run();
  return result.meta.changes > 0;
}
