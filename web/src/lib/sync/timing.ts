/**
 * Every interval of the session protocol's browser side, in one place, with its reason.
 *
 * @module
 */

export const timing = {
  /** The promise to the user: a page that polls is never older than this. */
  pollIntervalMs: 2_000,
  /** A request without an answer by then is lost; longer than any slow answer worth waiting for. */
  pollTimeoutMs: 8_000,
  /** Ceiling of the back-off while the network or the server fails; short enough to feel recovered. */
  maxBackoffMs: 15_000,
  /** Ceiling for a `Retry-After` that the server asks for. */
  maxRetryAfterMs: 60_000,
  /** How often to ask again after 401, 403 or another refusal that only a person can lift. */
  refusedIntervalMs: 30_000,
  /** A stream that lived less than this counts as short-lived: a proxy cut it, or it never worked. */
  shortStreamMs: 5_000,
  /** Short-lived streams in a row after which a tab polls. */
  maxShortStreamCount: 3,
  /** A stream that shows nothing after opening for this long is buffered on its way. */
  firstEventMs: 4_000,
  /** A silent stream is checked against a poll this often: a dead connection need not say so. */
  silenceMs: 10_000,
  /** How soon a stream that lived well is opened again after it closed. */
  streamReopenMs: 500,
  /** How long a tab polls after its streams failed before it tries a stream again. */
  streamRetryMs: 60_000,
  /** How often the leader says that it is alive. */
  beatIntervalMs: 500,
  /** Silence of a leader after which a listener asks the server itself; under the 2 s of a takeover. */
  leaderLostMs: 1_800,
  /** How long a 404 is no news for an id whose start request may still be on its way. */
  pendingGraceMs: 20_000,
} as const;
