/**
 * Saved views: choices of leads that a person has kept under a name.
 *
 * @module
 */
import { mentions, type ForgottenPerson } from '../shared/forgotten.ts';
import { limits } from '../shared/limits.ts';
import type { View } from '../shared/schemas/leads.ts';

const columns = 'view_id AS viewId, name, query, created_at AS createdAt';

/** The views of one person, by name. */
export async function listViews(db: D1Database, owner: string): Promise<View[]> {
  const { results } = await db
    .prepare(`SELECT ${columns} FROM views WHERE owner = ? ORDER BY name LIMIT ?`)
    .bind(owner, limits.maxViewCount)
    .all<View>();
  return results;
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
       RETURNING ${columns}`,
    )
    .bind(view.owner, view.name, view.query, view.nowMs, limits.maxViewCount)
    .first<View>();
  return row === null ? { kind: 'too_many' } : { kind: 'ok', view: row };
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
      .prepare(`SELECT owner, ${columns} FROM views WHERE view_id > ? ORDER BY view_id LIMIT ?`)
      .bind(after, viewPageCount)
      .all<OwnedView>();
    found.push(...results.filter(isAbout));
    const last = results.at(-1);
    if (last === undefined || results.length < viewPageCount) return found;
    after = last.viewId;
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
