/**
 * Delivery status: the outcome of a mail after the provider took it, as webhooks report.
 *
 * The status of a lead's mail is a set of bits that only grows: an event adds its bits. So repeated events and
 * events out of order give the same set, and no counter that is made from it falls.
 *
 * Owns the bits, their severity, the counters and the reputation limits. No storage, no signatures, no clock.
 *
 * @module
 */
import type { EmailState } from '../../shared/progress.ts';

/**
 * A provider's event in our terms. `hardBounced`: the address will never take mail. `unsubscribed` is not a provider's:
 * the link in the mail was used, so the mail was taken.
 */
export const deliveryEvents = [
  'delayed',
  'delivered',
  'bounced',
  'hardBounced',
  'complained',
  'failed',
  'suppressed',
  'unsubscribed',
] as const;
export type DeliveryEvent = (typeof deliveryEvents)[number];

/** One event of one mail. */
export interface DeliveryReport {
  leadId: number;
  event: DeliveryEvent;
}

const bits = {
  delayed: 1,
  delivered: 2,
  bounced: 4,
  complained: 8,
  failed: 16,
  suppressed: 32,
  hard: 64,
  unsubscribed: 128,
} as const;

/** A complaint proves a delivery, and a hard bounce is a bounce. */
const bitsOf = {
  delayed: bits.delayed,
  delivered: bits.delivered,
  bounced: bits.bounced,
  hardBounced: bits.bounced | bits.hard,
  complained: bits.complained | bits.delivered,
  failed: bits.failed,
  suppressed: bits.suppressed,
  unsubscribed: bits.unsubscribed,
} as const satisfies Record<DeliveryEvent, number>;

/** It did not arrive: bounced, given up by the provider, or stopped by the provider's own list. */
const undelivered = bits.bounced | bits.failed | bits.suppressed;

/** Mails by delivery status, as Progress shows them. One mail can count twice: delivered, then a complaint. */
export interface DeliveryCounts {
  delivered: number;
  bounced: number;
  complained: number;
}

/** `known` with the bits of one more event. */
export function withDeliveryEvent(known: number, event: DeliveryEvent): number {
  return known | bitsOf[event];
}

/** True where the recipient has used the link to unsubscribe. */
export function hasUnsubscribed(known: number): boolean {
  return (known & bits.unsubscribed) !== 0;
}

/** What the step from one set of bits to a larger one adds to the counters. */
export function deliveryDelta(before: number, after: number): DeliveryCounts {
  const isNew = (mask: number): number => ((after & mask) !== 0 && (before & mask) === 0 ? 1 : 0);
  return {
    delivered: isNew(bits.delivered),
    bounced: isNew(undelivered),
    complained: isNew(bits.complained),
  };
}

export interface DeliveryStatus {
  state: Extract<EmailState, 'delivered' | 'bounced' | 'complained'> | null;
  code: string | null;
  message: string | null;
}

/** The status that a person sees: the most severe event of the set. */
export function deliveryStatus(known: number): DeliveryStatus {
  const has = (mask: number): boolean => (known & mask) !== 0;
  if (has(bits.complained)) {
    return { state: 'complained', code: 'complained', message: 'The recipient reported the mail as spam.' };
  }
  if (has(bits.hard)) {
    return { state: 'bounced', code: 'hard_bounce', message: 'The address does not exist or takes no mail.' };
  }
  if (has(bits.bounced)) {
    return {
      state: 'bounced',
      code: 'soft_bounce',
      message: "The recipient's mail server returned the mail.",
    };
  }
  if (has(bits.suppressed)) {
    return {
      state: 'bounced',
      code: 'provider_suppressed',
      message: 'The mail provider holds mail to this address back.',
    };
  }
  if (has(bits.failed)) {
    return {
      state: 'bounced',
      code: 'provider_failed',
      message: 'The mail provider could not send the mail.',
    };
  }
  if (has(bits.delivered)) return { state: 'delivered', code: null, message: null };
  if (has(bits.delayed)) {
    return {
      state: null,
      code: 'delayed',
      message: "The recipient's mail server has not taken the mail yet.",
    };
  }
  return { state: null, code: null, message: null };
}

// ── the reputation guard ─────────────────────────────────────────────────────────────────────────

export interface GuardLimits {
  /** With fewer results a rate is not meaningful. */
  minResultCount: number;
  /** Percent of results from which on a session pauses. */
  maxBouncePercent: number;
  maxComplaintPercent: number;
}

export interface GuardVerdict {
  reason: 'bounce_rate' | 'complaint_rate';
  message: string;
}

/**
 * Whether a session endangers the sender's reputation.
 *
 * @param counts - the session's counters
 * @param acknowledged - the counters at the last resume by a person: only events since then count
 */
export function judgeReputation(
  counts: DeliveryCounts,
  acknowledged: DeliveryCounts,
  limits: GuardLimits,
): GuardVerdict | null {
  const bounced = counts.bounced - acknowledged.bounced;
  const complained = counts.complained - acknowledged.complained;
  const results = counts.delivered - acknowledged.delivered + bounced;
  if (results < limits.minResultCount) return null;
  const percent = (count: number): number => (100 * count) / results;
  const words = (count: number, what: string, limit: number): string =>
    `${count} of ${results} mails ${what} (${percent(count).toFixed(2)} %); from ${limit} % on mail providers ` +
    'begin to refuse the sender. Look at where these leads came from before you go on.';
  if (complained > 0 && percent(complained) >= limits.maxComplaintPercent) {
    return {
      reason: 'complaint_rate',
      message: words(complained, 'were reported as spam', limits.maxComplaintPercent),
    };
  }
  if (bounced > 0 && percent(bounced) >= limits.maxBouncePercent) {
    return { reason: 'bounce_rate', message: words(bounced, 'did not arrive', limits.maxBouncePercent) };
  }
  return null;
}
