/**
 * The approval of an activation by another person: what is stored of it, and what everybody sees.
 *
 * No zod here: the web app loads this file.
 *
 * @module
 */

/** How long a request for an approval waits; an activation that nobody has approved then is cancelled. */
export const approvalMs = 48 * 3_600_000;

/** Who decided, and when; epoch ms. */
export interface ApprovalDecision {
  by: string;
  at: number;
}

/** What everybody sees of an approval. The reason of a rejection is not here: it may name a person. */
export interface ApprovalFacts {
  /** When it was asked for, or asked for anew; epoch ms. */
  askedAt: number;
  /** Until when it can be given; epoch ms. */
  expiresAt: number;
  approved: ApprovalDecision | null;
  rejected: ApprovalDecision | null;
}

/** What a session stores of it. */
export interface Approval {
  askedAt: number;
  expiresAt: number;
  /** The hash is that of the manifest which was approved; with another manifest it counts for nothing. */
  approved?: ApprovalDecision & { manifestHash: string };
  /** The reason goes where the session forgets persons. */
  rejected?: ApprovalDecision & { reason: string | null };
}

export function approvalFacts({ askedAt, expiresAt, approved, rejected }: Approval): ApprovalFacts {
  return { askedAt, expiresAt, approved: decisionOf(approved), rejected: decisionOf(rejected) };
}

function decisionOf(decision: ApprovalDecision | undefined): ApprovalDecision | null {
  return decision === undefined ? null : { by: decision.by, at: decision.at };
}

/** True where a person would decide on what they have started themselves. Capitals do not matter. */
export function isOwnRequest(owner: string, by: string): boolean {
  return owner.trim().toLowerCase() === by.trim().toLowerCase();
}
