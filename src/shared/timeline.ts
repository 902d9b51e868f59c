/**
 * The timeline of a session: its events, and its counters over time.
 *
 * No zod at run time here: the web app loads this file.
 *
 * @module
 */
import type { SessionReason } from './progress.ts';

export const timelineKinds = [
  /** A start time was set, by a start request or a change; `until` is that time. */
  'scheduled',
  'window_changed',
  /** An approval was asked for, or asked for anew; `until` is when that ends. */
  'approval_asked',
  'approved',
  'rejected',
  /** Nobody approved it in time. */
  'approval_expired',
  'started',
  'paused',
  'resumed',
  'cancelled',
  /** A wave began; `count` is its number. */
  'wave_started',
  /** A limit of a wave is broken; `count` is its number. */
  'wave_held',
  /** A person went on from a wave that was held or watched; `count` is its number. */
  'wave_passed',
  /** Failed or unknown mails were queued again. */
  'retried',
  'assumed_sent',
  /** The provider was asked again about mail that is unknown. */
  'checked',
  /** The session waits: the provider asked for it, or another service does not answer. */
  'waiting',
  /** A call failed and is repeated. */
  'fault',
  /** Work that a crash or a deploy interrupted was resumed. */
  'recovered',
  'finished',
  /** A person had its leads made new again; `count` is how many it is about. */
  'take_back_started',
  /** `count` leads are new again. */
  'take_back_ended',
] as const;
export type TimelineKind = (typeof timelineKinds)[number];

export interface TimelineEvent {
  id: number;
  kind: TimelineKind;
  at: number;
  /**
   * Time of the last occurrence, because repeats are one event. For `waiting`, the end of the wait;
   * for `scheduled`, the time of the start; for `approval_asked`, the end of the request.
   */
  until: number;
  /** Who caused it (a colleague); null when no person did. */
  by: string | null;
  reason: SessionReason | null;
  /** For a person; never an address, a key or an internal message. */
  message: string | null;
  /** Number of leads or calls. */
  count: number | null;
}

/**
 * Counters at one moment, all since the start. A rate is the difference between two points, so rates stay correct
 * when points are left out.
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
  /** Oldest first; of very many the oldest are left out. */
  events: TimelineEvent[];
  throughput: ThroughputPoint[];
}
