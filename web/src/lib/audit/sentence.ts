/**
 * An entry of the audit as a sentence: who, what they did, and to what, with a link where there is a page of
 * it. Pure.
 *
 * @module
 */
import type { AuditEntry } from '../../../../src/shared/schemas/audit.ts';
import { auditMessages as m, type AuditAction } from '../messages/audit.ts';

export interface AuditSentence {
  who: string;
  before: string;
  /** The object: `the activation` and, in quotes, its name. */
  object: { text: string; name: string | null; href: string | null };
  after: string;
}

const actions: Readonly<Record<string, AuditAction>> = m.actions;

export function isKnownAction(action: string): boolean {
  return Object.hasOwn(actions, action);
}

/** `ana.sousa@example.com` is Ana Sousa; a service token keeps its label. */
export function actorName(actor: string): string {
  const at = actor.indexOf('@');
  if (at <= 0) return actor;
  const words = actor
    .slice(0, at)
    .replace(/\+.*$/, '')
    .split(/[._-]+/)
    .filter((word) => word !== '');
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(' ') || actor;
}

export function auditSentence(entry: AuditEntry): AuditSentence {
  const { action, target, targetName } = entry;
  const detail = entry.detail ?? {};
  const known = isKnownAction(action) ? actions[action] : undefined;
  const words: AuditAction = known ?? { ...m.unknownAction, object: action };
  return {
    who: actorName(entry.actor),
    before: words.before,
    object: objectOf(entry, target, targetName, detail, words),
    after: words.after?.(detail) ?? '',
  };
}

function objectOf(
  { action }: AuditEntry,
  target: string | null,
  name: string | null,
  detail: Readonly<Record<string, unknown>>,
  words: AuditAction,
): AuditSentence['object'] {
  const plain = (text: string): AuditSentence['object'] => ({ text, name: null, href: null });
  if (action === 'lead.read') return plain(m.counted.leads(detail['leadCount']) ?? words.object);
  if (action === 'suppression.add') return plain(m.counted.addresses(detail['addedCount']) ?? words.object);
  const [kind, id] = partsOf(target);
  if (kind === 'lead') {
    // The page of an erased lead would say that there is none.
    const isGone = action === 'lead.erase' || action === 'person.erase';
    return { text: m.leadNumber(id), name: null, href: isGone ? null : `/leads/${id}` };
  }
  if (kind === null || name === null) {
    const isGone = action.endsWith('.erase') || action.endsWith('.delete');
    return { ...plain(words.object), href: kind === null || isGone ? null : hrefOf(kind, id) };
  }
  const [text, shown] = m.named[kind](name);
  return { text, name: shown, href: hrefOf(kind, id) };
}

function partsOf(
  target: string | null,
): ['activation' | 'import' | 'template' | 'lead', string] | [null, string] {
  if (target === null) return [null, ''];
  if (target.startsWith('activation_')) return ['activation', target];
  if (target.startsWith('import_')) return ['import', target];
  const [kind = '', id = ''] = target.split(':', 2);
  return kind === 'template' || kind === 'lead' ? [kind, id] : [null, ''];
}

function hrefOf(kind: 'activation' | 'import' | 'template' | 'lead', id: string): string {
  return `/${kind}s/${id}`;
}
