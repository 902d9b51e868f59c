/**
 * What is known of a connected CRM: its fields, its last pull and its allowance of calls.
 *
 * @module
 */

/** The form of a field's name in every CRM. */
export const crmFieldName = /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/;

/** A field of the CRM's contacts. */
export interface CrmField {
  /** As the API has it. */
  name: string;
  /** As people see it there. */
  label: string;
}

/** The pull of a list, over all its pages so far. */
export interface CrmPull {
  listId: string;
  /** Who pulled the last page. */
  by: string;
  /** Of the last page, or of the try that failed; epoch ms. */
  at: number;
  created: number;
  updated: number;
  unchanged: number;
  refused: number;
  /** False: pages are left. */
  isDone: boolean;
  /** Why the last try failed, for a person. */
  error: string | null;
}

/** Calls that a CRM takes in 24 hours from all its programs together. */
export interface CrmAllowance {
  usedCount: number;
  maxCount: number;
  /** When the CRM said it; epoch ms. */
  at: number;
}

const dayMs = 86_400_000;

/** The used part of an allowance in percent; null where it was said too long ago to hold still. */
export function allowancePercent({ usedCount, maxCount, at }: CrmAllowance, nowMs: number): number | null {
  return nowMs - at > dayMs ? null : (100 * usedCount) / Math.max(1, maxCount);
}
