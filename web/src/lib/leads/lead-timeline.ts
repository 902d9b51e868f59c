/**
 * What happened to one lead, newest first: made of what the CRM, its imports and its activation know. Pure.
 *
 * @module
 */
import type { EmailState } from '../../../../src/shared/progress.ts';
import type { LeadHistory } from '../../../../src/shared/schemas/activation.ts';
import type { LeadDetail } from '../../../../src/shared/schemas/leads.ts';
import type { SuppressionReason } from '../../../../src/shared/schemas/mail.ts';

type Import = LeadHistory['imports'][number];
type Activation = NonNullable<LeadHistory['activation']>;

export type LeadEvent =
  | { kind: 'suppressed'; at: number; reason: SuppressionReason; by: string | null; note: string }
  /** `at`: when it left; null where nobody knows it any more. */
  | {
      kind: 'mail';
      at: number | null;
      state: EmailState;
      message: string | null;
      content: Activation['mail'];
    }
  | { kind: 'activated'; at: number; sessionId: string; name: string | null; by: string | null }
  | { kind: 'takenBack'; at: number; sessionId: string; name: string | null; by: string | null }
  | { kind: 'edited'; at: number; by: string | null; fields: readonly string[] }
  | { kind: 'imported'; at: number; import: Import }
  | { kind: 'created'; at: number };

/** Of events of one moment, the later one in this order comes first. */
const order: Record<LeadEvent['kind'], number> = {
  created: 0,
  imported: 1,
  edited: 2,
  activated: 3,
  mail: 4,
  suppressed: 5,
  takenBack: 6,
};

export function timelineOf(lead: LeadDetail, history: LeadHistory): LeadEvent[] {
  const { activation, imports, edits, takenBack } = history;
  const { suppression } = lead;
  const events: LeadEvent[] = [
    ...imports.map((it): LeadEvent => ({ kind: 'imported', at: it.at, import: it })),
    ...edits.map(({ at, by, fields }): LeadEvent => ({ kind: 'edited', at, by, fields })),
  ];
  if (!imports.some(({ outcome }) => outcome === 'created')) {
    events.push({ kind: 'created', at: lead.createdAt });
  }
  if (activation !== null) {
    const { at, sessionId, name, owner, result, mail } = activation;
    events.push({ kind: 'activated', at, sessionId, name, by: owner });
    if (result?.emailState) {
      const { emailState: state, message } = result;
      events.push({ kind: 'mail', at: mail?.sentAt ?? null, state, message, content: mail });
    }
  }
  if (takenBack !== null) events.push({ kind: 'takenBack', ...takenBack });
  if (suppression !== null) {
    const { createdAt: at, reason, addedBy: by, note } = suppression;
    events.push({ kind: 'suppressed', at, reason, by, note });
  }
  // A mail without a time stands with the activation that sent it.
  const timeOf = (event: LeadEvent): number => event.at ?? activation?.at ?? 0;
  return events.sort((a, b) => timeOf(b) - timeOf(a) || order[b.kind] - order[a.kind]);
}
