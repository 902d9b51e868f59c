/**
 * The setting of how long recipients are kept.
 *
 * @module
 */

const standardDays = 30;

/** `RETENTION_DAYS`; what cannot be read as a number of days is the standard, never "for ever". */
export function retentionDays(env: Pick<Env, 'RETENTION_DAYS'>): number {
  const days = Number(env.RETENTION_DAYS);
  return env.RETENTION_DAYS.trim() !== '' && Number.isFinite(days) && days >= 0 ? days : standardDays;
}
