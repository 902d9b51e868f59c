/**
 * The timeline of a session: what happened to it, and how fast it was.
 *
 * No zod at run time here: the web app loads this file.
 *
 * @module
 */
import type { SessionReason } from './progress.ts';

export const timelineKinds = [
  'started',
  'paused',
  'resumed',
  'cancelled',
  /** Mails that failed, or are unknown, were put back to be sent. */
  'retried',
  'assumed_sent',
  /** The provider was asked again about mail that is unknown. */
  'checked',
  /** The run waits: the provider asked for it, or something behind us does not answer. */
  'waiting',
  /** A call failed and is repeated. */
  'fault',
  /** Work that a crash or a deploy interrupted was taken up. */
  'recovered',
  'finished',
] as const;
export type TimelineKind = (typeof timelineKinds)[number];

export interface TimelineEvent {
  id: number;
  kind: TimelineKind;
  at: number;
  /** When it was last so: what repeats is one event. For `waiting`, the end of the wait. */
  until: number;
  /** Who did it (a colleague); null when nobody did. */
  by: string | null;
  reason: SessionReason | null;
  /** For a person; never an address, a key or an internal message. */
  message: string | null;
  /** Leads or calls that it is about. */
  count: number | null;
}

/**
 * Counters at one moment, all since the start. Rates are what lies between two points, so that points can
 * be left out and the rates stay true.
 */
export interface ThroughputPoint {
  at: number;
  processed: number;
  sent: number;
  /** Mails and activations that failed, and mails that are unknown. */
  failed: number;
}

export interface Timeline {
  rev: number;
  /** The oldest first; of very many the oldest are left out. */
  events: TimelineEvent[];
  throughput: ThroughputPoint[];
}
