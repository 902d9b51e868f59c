/**
 * Every limit that a caller can reach, with its reason. docs/OPERATIONS.md lists them.
 *
 * @module
 */

export const limits = {
  /** Ids in one `{leadIds}` audience; for more, a filter is shorter. */
  maxAudienceIdCount: 10_000,
  /** Ids excluded from a filter audience. */
  maxExcludedIdCount: 10_000,
  /** Bytes of a JSON request body: 10,000 ids of 16 digits fit twice. */
  maxJsonBodyBytes: 512 * 1024,
  /** Bytes of one chunk of an import. A request has several copies of it in memory. */
  maxImportChunkBytes: 1024 * 1024,
  /** Rows of one chunk. A chunk is one D1 transaction, during which others wait. */
  maxImportChunkRowCount: 2_000,
  maxImportColumnCount: 256,
  /** Characters of a cell that is read; twice the longest field. */
  maxImportCellLength: 20_000,
  /** Saved views of one person. */
  maxViewCount: 100,
  maxViewQueryLength: 2_000,
  /** Known values of a property that a filter offers. */
  maxLeadValueCount: 100,
  /** Values of one property of a filter: each is a look into its index. */
  maxFilterValueCount: 20,
  /** Leads that one call of a bulk edit or suppression changes: one D1 transaction, which others wait for. */
  maxBulkLeadCount: 1_000,
  /** Leads that one call of a bulk erasure erases: each asks every activation that knows it. */
  maxBulkEraseCount: 20,
  /** Edits of one lead that its timeline has. */
  maxLeadEditCount: 50,
  /** Leads that are named as skipped for one reason. */
  maxSkippedLeadCount: 50,
  /** Leads whose last results are asked for at once: each may be in an activation of its own. */
  maxAskedResultCount: 100,
  maxNameLength: 120,
  maxSearchLength: 100,
  /** Words of a search: each is one FTS5 prefix look-up. */
  maxSearchTermCount: 8,
  maxPageLeadCount: 500,
  defaultPageLeadCount: 50,
  maxFieldLength: 1_000,
  maxNotesLength: 10_000,
  /** Custom fields of one lead, and of one template. */
  maxCustomFieldCount: 20,
  /** Characters; those of a batch of 100 leads are frozen together, in a row of at most 2 MB. */
  maxCustomValueLength: 300,
  /** Tags of one lead: each is a word in the search index. */
  maxTagCount: 20,
  /** Characters of a tag. */
  maxTagLength: 50,
  /** Characters of the name of another system. */
  maxExternalSourceLength: 40,
  /** Characters of the id that a lead has in another system. */
  maxExternalIdLength: 200,
  /** Leads of one `PUT /crm/leads:batch`: one D1 transaction, which others wait for. */
  maxLeadBatchCount: 1_000,
  /** Bytes of such a request: 1 kB a lead. */
  maxLeadBatchBytes: 1024 * 1024,
  /** Characters of an `Idempotency-Key`. */
  maxIdempotencyKeyLength: 255,
  /** Answers of one person or service token that are kept by an `Idempotency-Key`: 2 M leads a day. */
  maxIdempotencyKeyCount: 2_000,
  /** Hours for which an answer is kept. */
  idempotencyKeyHours: 24,
  /** Days for which the changes of leads can be read. */
  leadChangeDays: 30,
  /** RFC 5321 §4.5.3.1.3: a path of 256 octets, angle brackets included. */
  maxEmailLength: 254,
  /** Rendered mails in a preview. */
  maxPreviewSampleCount: 5,
  /** Rendered mails that an approver is shown. */
  maxApprovalSampleCount: 5,
  /** Characters of the reason of a rejection. */
  maxApprovalReasonLength: 500,
  /** A request's whole body must be there after this long. */
  maxBodyMs: 30_000,
  /** Activations of one person that have not ended. More of them come from a faulty script. */
  maxRunningSessionCount: 100,
  /** Days that a start can lie ahead: leads and templates of a year ago are no plan any more. */
  maxScheduleDayCount: 366,
  /** Sizes of a plan of waves, beside the rest. */
  maxWaveSizeCount: 10,
  /** Waves of a daily plan: all of them are in the session's row and in its Progress. */
  maxWaveCount: 60,
  /** A week: figures of mail that is older change no more. */
  maxWatchMinutes: 10_080,
  /** Open streams of one session; each costs the object a few kB. */
  maxStreamReaderCount: 10_000,
  /** Endpoints that get events: each session tells each of them of its events. */
  maxEndpointCount: 20,
  maxEndpointTargetLength: 1_000,
  maxEndpointDescriptionLength: 200,
} as const;
