/**
 * Unsaved work on a template, kept in this browser until it is saved or discarded. A closed tab loses nothing.
 *
 * Invariant: new work does not overwrite older work that a person has not decided about yet; both are kept.
 *
 * @module
 */
export interface TemplateText {
  name: string;
  description: string;
  subject: string;
  html: string;
  text: string;
}

export interface KeptDraft {
  content: TemplateText;
  /** Epoch milliseconds. */
  at: number;
  /** The version of the template that it was begun on; null where that is not known. */
  base: number | null;
}

/** The oldest of more go: a browser gives 5 MB to all of an origin. */
export const maxDraftCount = 3;

const prefix = 'lead-activation:template-draft:';
const fields = ['name', 'description', 'subject', 'html', 'text'] as const;

type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem' | 'removeItem'>;

function readDraft(value: unknown): KeptDraft | null {
  const { content, at, base } = (value ?? {}) as Partial<KeptDraft>;
  if (typeof at !== 'number' || typeof content !== 'object') return null;
  if (!fields.every((field) => typeof content[field] === 'string')) return null;
  return { content, at, base: typeof base === 'number' ? base : null };
}

/**
 * The drafts of a template, the newest first.
 *
 * @param key - the template's id, or what a new one is a copy of
 */
export function keptDrafts(storage: Storage, key: string): KeptDraft[] {
  try {
    const value: unknown = JSON.parse(storage.getItem(prefix + key) ?? 'null');
    // An early version kept one, without a list.
    return (Array.isArray(value) ? value : [value]).flatMap((one) => readDraft(one) ?? []);
  } catch {
    // Not ours, or storage is closed.
    return [];
  }
}

/**
 * Keeps these in place of what was kept; none removes it.
 *
 * @returns false where the browser keeps nothing
 */
export function keepDrafts(storage: Storage, key: string, drafts: readonly KeptDraft[]): boolean {
  try {
    if (drafts.length === 0) storage.removeItem(prefix + key);
    else storage.setItem(prefix + key, JSON.stringify(drafts.slice(0, maxDraftCount)));
    return true;
  } catch {
    return false;
  }
}

export const isSameText = (one: TemplateText, other: TemplateText): boolean =>
  fields.every((field) => one[field] === other[field]);
