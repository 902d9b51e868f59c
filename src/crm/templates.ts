/**
 * Templates that people wrote, in versions.
 *
 * Owns: their tables. Never: whether a template is right (src/mail/templates/render.ts), the built-in ones.
 * Keeps true: a version once written stays as it is, and nobody overwrites what they have not seen.
 *
 * @module
 */
import type { TemplateCreate, TemplateDetail, TemplateVersionList } from '../shared/schemas/mail.ts';
import type { TemplateSummary } from '../shared/schemas/activation.ts';

interface TemplateRow {
  id: string;
  version: number;
  name: string;
  description: string;
  subject: string;
  html: string;
  text: string;
  created_at: number;
  created_by: string;
}

const columns =
  'v.template_id AS id, v.version, v.name, v.description, v.subject, v.html, v.text, v.created_at, v.created_by';

function toTemplate(row: TemplateRow): TemplateDetail {
  const { id, version, name, description, subject, html, text } = row;
  return {
    ...{ id, version, name, description, subject, html, text },
    isBuiltin: false,
    updatedAt: row.created_at,
    updatedBy: row.created_by,
  };
}

/** All templates in their present version, by name. */
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

/** One template, in its present version or in another one; null when there is none. */
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
    .first<TemplateRow>();
  return row === null ? null : toTemplate(row);
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

/** Adds a version, if the present one is the one that was edited. */
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

/** The versions of a template, newest first. */
export async function listTemplateVersions(
  db: D1Database,
  id: string,
): Promise<TemplateVersionList['versions']> {
  const { results } = await db
    .prepare(
      `SELECT version, subject, created_at, created_by FROM template_versions
       WHERE template_id = ? ORDER BY version DESC LIMIT 200`,
    )
    .bind(id)
    .all<Pick<TemplateRow, 'version' | 'subject' | 'created_at' | 'created_by'>>();
  return results.map((row) => ({
    version: row.version,
    subject: row.subject,
    createdAt: row.created_at,
    createdBy: row.created_by,
  }));
}
