/**
 * Unsaved work on a template, kept in this browser until it is saved or discarded. A closed tab loses nothing.
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
}

const prefix = 'lead-activation:template-draft:';
const fields = ['name', 'description', 'subject', 'html', 'text'] as const;

type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** @param key - the template's id, or what a new one is a copy of */
export function keptDraft(storage: Storage, key: string): KeptDraft | null {
  try {
    const value = JSON.parse(storage.getItem(prefix + key) ?? 'null') as Partial<KeptDraft> | null;
    const content = value?.content;
    if (typeof value?.at !== 'number' || typeof content !== 'object') return null;
    return fields.every((field) => typeof content[field] === 'string') ? { content, at: value.at } : null;
  } catch {
    // Not ours, or storage is closed.
    return null;
  }
}

/** @returns false where the browser keeps nothing */
export function keepDraft(storage: Storage, key: string, draft: KeptDraft): boolean {
  try {
    storage.setItem(prefix + key, JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

export function dropDraft(storage: Storage, key: string): void {
  try {
    storage.removeItem(prefix + key);
  } catch {
    // Nothing was kept there.
  }
}

export const isSameText = (one: TemplateText, other: TemplateText): boolean =>
  fields.every((field) => one[field] === other[field]);
