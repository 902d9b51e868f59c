/**
 * Leads by their ids, without the ids: for whoever has the list, and can compare.
 *
 * @module
 */
export interface LeadIdDigest {
  count: number;
  /** SHA-256 of the ids as a canonical JSON array, ascending, each once. */
  sha256: string;
}
