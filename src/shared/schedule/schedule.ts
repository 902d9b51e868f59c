/**
 * The schedule of an activation, as a start request and a Progress have it.
 *
 * @module
 */

/** When the audience of a scheduled activation is frozen: when it is scheduled, or when it begins. */
export const freezeTimes = ['scheduling', 'start'] as const;
export type FreezeTime = (typeof freezeTimes)[number];

/** When an activation is to begin, as a person says it. */
export interface Schedule {
  /** What the clock on the wall shows then: `2026-12-01T09:00`. */
  at: string;
  /** Name of the IANA time zone of that clock. */
  zone: string;
  freezeAt: FreezeTime;
}

/** A schedule with its moment. */
export interface ResolvedSchedule extends Schedule {
  /** Epoch ms. */
  startAt: number;
}
