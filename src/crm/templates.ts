/**
 * Templates that people wrote, in versions.
 *
 * Owns their tables. Does not judge whether a template is right (src/mail/templates/render.ts) and does not hold
 * the built-in ones. Invariants: a version never changes once it is written, and nobody overwrites a version
 * that they have not seen.
 *
 * @module
 */
import type {
  TemplateCreate,
  TemplateDetail,
  TemplateVersionList,
  TemplateSummary,
} from '../shared/schemas/mail.ts';

const columns = `v.template_id AS id, v.version, v.name, v.description, v.subject, v.html, v.text,
  v.created_at AS updatedAt, v.created_by AS updatedBy`;

/** All templates in their current version, by name. */
export async function listTemplates(db: D1Database): Promise<TemplateSummary[]> {
  const { results } = await db
    .prepare(
      `SELECT t.id, t.version, v.name, v.subject, v.description FROM templates t
       JOIN template_versions v ON v.template_id = t.id AND v.version = t.version
       ORDER BY v.name COLLATE NOCASE, t.id`,
    )
    .all<Omit<TemplateSummary, 'isBuiltin'>>();
  return results.map((row) => ({ ...row, isBuiltin: false }));
}

/** One template, in its current version or in the one asked for; null when there is none. */
export async function getTemplate(
  db: D1Database,
  id: string,
  version: number | null = null,
): Promise<TemplateDetail | null> {
  const row = await db
    .prepare(
      `SELECT ${columns} FROM templates t
       JOIN template_versions v ON v.template_id = t.id AND v.version = coalesce(?2, t.version) WHERE t.id = ?1`,
    )
    .bind(id, version)
    .first<Omit<TemplateDetail, 'isBuiltin'>>();
  return row === null ? null : { ...row, isBuiltin: false };
}

interface Authorship {
  by: string;
  nowMs: number;
}

const insertVersionSql = `INSERT INTO template_versions
    (template_id, version, name, description, subject, html, text, created_at, created_by)
  SELECT id, version, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM templates`;

/**
 * Adds a template under the first of these ids that is free.
 *
 * @returns null when none of them is
 */
export async function createTemplate(
  db: D1Database,
  ids: readonly string[],
  content: TemplateCreate,
  { by, nowMs }: Authorship,
): Promise<TemplateDetail | null> {
  const { name, description, subject, html, text } = content;
  for (const id of ids) {
    const results = await db.batch([
      db
        .prepare('INSERT INTO templates (id, version, created_at) VALUES (?, 1, ?) ON CONFLICT DO NOTHING')
        .bind(id, nowMs),
      db
        .prepare(`${insertVersionSql} WHERE id = ?1 AND changes() > 0`)
        .bind(id, name, description, subject, html, text, nowMs, by),
    ]);
    if ((results[1]?.meta.changes ?? 0) > 0) return getTemplate(db, id);
  }
  return null;
}

export type UpdateAnswer =
  { kind: 'ok'; template: TemplateDetail } | { kind: 'not_found' } | { kind: 'conflict'; version: number };

/** Adds a version, if the current one is `baseVersion`, which was edited. */
export async function updateTemplate(
  db: D1Database,
  id: string,
  baseVersion: number,
  content: TemplateCreate,
  { by, nowMs }: Authorship,
): Promise<UpdateAnswer> {
  const { name, description, subject, html, text } = content;
  const results = await db.batch([
    db
      .prepare('UPDATE templates SET version = version + 1 WHERE id = ? AND version = ?')
      .bind(id, baseVersion),
    db
      .prepare(`${insertVersionSql} WHERE id = ?1 AND changes() > 0`)
      .bind(id, name, description, subject, html, text, nowMs, by),
  ]);
  const template = await getTemplate(db, id);
  if (template === null) return { kind: 'not_found' };
  if ((results[1]?.meta.changes ?? 0) === 0) return { kind: 'conflict', version: template.version };
  return { kind: 'ok', template };
}

/** Deletes a template with all of its versions; sessions keep their copies. False when there was none. */
export async function deleteTemplate(db: D1Database, id: string): Promise<boolean> {
  const results = await db.batch([
    db.prepare('DELETE FROM template_versions WHERE template_id = ?').bind(id),
    db.prepare('DELETE FROM templates WHERE id = ?').bind(id),
  ]);
  return (results[1]?.meta.changes ?? 0) > 0;
}

/** The versions of a template, newest first; the last 200. */
export async function listTemplateVersions(
  db: D1Database,
  id: string,
): Promise<TemplateVersionList['versions']> {
  const { results } = await db
    .prepare(
      `SELECT version, subject, created_at AS createdAt, created_by AS createdBy FROM template_versions
       WHERE template_id = ? ORDER BY version DESC LIMIT 200`,
    )
    .bind(id)
    .all<TemplateVersionList['versions'][number]>();
  return results;
}
