/**
 * Planted faults: each is one small mistake in the product's source, and the simulator must find it.
 *
 * A change replaces a text that occurs exactly once in its file; when the source has changed, planting it fails, and
 * the mutant must be written anew. A mutant that survives shows a hole in the simulator.
 *
 * @module
 */
import type { SourceChange } from '../platform/hooks.ts';

export interface Mutant {
  name: string;
  changes: readonly SourceChange[];
}

const runner = 'src/durable/sending/runner.ts';
const slice = 'src/durable/session/slice.ts';
const sweep = 'src/durable/session/sweep.ts';
const alarm = 'src/durable/session/alarm.ts';
const settle = 'src/core/batch/settle.ts';
const doubt = 'src/core/batch/doubt.ts';
const flip = 'src/crm/flip.ts';
const approval = 'src/core/session/approval.ts';
const waves = 'src/core/session/waves.ts';
const deliveries = 'src/durable/webhooks/deliveries.ts';
const endpoint = 'src/durable/webhook-endpoint.ts';
const takeBack = 'src/core/session/take-back.ts';
const takeBackPages = 'src/durable/session/take-back.ts';
const takeBackSql = 'src/crm/take-back.ts';

function mutant(name: string, file: string, find: string, replace: string): Mutant {
  return { name, changes: [{ file, find, replace }] };
}

export const mutants: readonly Mutant[] = [
  {
    name: 'intent after the call',
    changes: [
      {
        file: runner,
        find: "      this.#writer.write(held, { batch: intended, added: [] }, { kind: 'none' });\n",
        replace: '      void held;\n',
      },
      {
        file: runner,
        find: '    return delivery.outcome;\n',
        replace: `    this.#context.store.transact(() => {
          const held = this.#held.get(intent.batch.seq) ?? intent.batch;
          this.#writer.write(held, { batch: intent.batch, added: [] }, { kind: 'none' });
        });
        return delivery.outcome;\n`,
      },
    ],
  },
  mutant(
    'counters outside of the transaction',
    'src/durable/sending/batch-writer.ts',
    '    store.save(settled);\n',
    '    setTimeout(() => store.transact(() => store.save(settled)), 1);\n',
  ),
  mutant(
    'a new key for each attempt',
    'src/durable/activation-session.ts',
    'return `${session.spec.sessionId}/${batch.seq}`;',
    'return `${session.spec.sessionId}/${batch.seq}/${batch.attemptAt}`;',
  ),
  mutant(
    'the same key after a split',
    'src/durable/activation-session.ts',
    'return `${session.spec.sessionId}/${batch.seq}`;',
    'return `${session.spec.sessionId}/${batch.originSeq ?? batch.seq}`;',
  ),
  mutant(
    'leads of another session are mailed too',
    flip,
    "else if (row.activatedBy === sessionId && row.eligibility !== 'suppressed') {",
    "else if (row.activatedBy !== null && row.eligibility !== 'suppressed') {",
  ),
  mutant(
    'the watchdog is armed last',
    alarm,
    '() => alarms.setAlarm(now() + watchdogMs)',
    '() => alarms.deleteAlarm()',
  ),
  mutant('the watchdog is far ahead', alarm, 'const watchdogMs = 2_000;', 'const watchdogMs = 60_000;'),
  mutant(
    'no alarm at the start',
    'src/durable/activation-session.ts',
    '    await this.ctx.storage.setAlarm(this.now());\n',
    '',
  ),
  mutant(
    'an alarm before the session',
    'src/durable/activation-session.ts',
    '    this.#store.transact(() => this.#store.create(session, endpointIds));\n    await this.ctx.storage.setAlarm(this.now());\n',
    '    await new Promise((resolve) => setTimeout(resolve, 5));\n    this.#store.transact(() => this.#store.create(session, endpointIds));\n    setTimeout(() => void this.ctx.storage.setAlarm(this.now()), 20);\n',
  ),
  mutant(
    'the doubt is not kept',
    doubt,
    'const kept = isInDoubt(batch) ? keepDoubt(batch, change) : change;',
    'const kept = change;',
  ),
  mutant(
    'unknown mail is repeated without a key',
    doubt,
    'keyLivesUntil(inDoubtSince, traits) ?? -Infinity;',
    'keyLivesUntil(inDoubtSince, traits) ?? Infinity;',
  ),
  mutant(
    'a key that has expired is used',
    doubt,
    'inDoubtSince + traits.idempotencyWindowMs - keySafetyMs;',
    'inDoubtSince + traits.idempotencyWindowMs + 48 * keySafetyMs;',
  ),
  {
    // Several places look; each alone is enough in almost every case.
    name: 'nothing looks for commands before a call',
    changes: [
      {
        file: runner,
        find: "    if (this.#isStopped) return 'none';\n",
        replace:
          "    if (this.#isStopped || !this.isPlanning) return 'none';\n    if (this.#generation > 0) return 'run';\n",
      },
      {
        file: runner,
        find: '    if (this.#session().generation !== this.#generation) return false;\n',
        replace: '',
      },
      {
        file: runner,
        find: '    return session?.generation === this.#generation && windowOpensAt(session, this.now()) === null;',
        replace: '    return session !== null;',
      },
    ],
  },
  mutant(
    'the planner moves its cursor before it writes',
    'src/durable/sending/planner.ts',
    '    store.batches.append(chunk(leadIds, spec.batchLeadCount).map(plannedBatch));\n',
    '    setTimeout(() => store.transact(() => store.batches.append(chunk(leadIds, spec.batchLeadCount).map(plannedBatch))), 3);\n',
  ),
  mutant(
    'suppressions are read once',
    'src/durable/sending/batch-mails.ts',
    'if (isJustFlipped || batch.inDoubtSince !== null) return new Set();',
    'return new Set();',
  ),
  mutant(
    'the flip does not look at suppressions',
    'src/crm/leads/row.ts',
    "WHEN EXISTS (SELECT 1 FROM suppressions s WHERE s.email_hash = l.email_hash) THEN 'suppressed'",
    "WHEN l.id < 0 THEN 'suppressed'",
  ),
  mutant(
    'the revision is not raised',
    'src/core/session/session.ts',
    'rev: session.rev + 1, updatedAt: Math.max',
    'rev: session.rev, updatedAt: Math.max',
  ),
  mutant(
    'parts of a split batch are not counted',
    'src/core/batch/settle-batch.ts',
    '  for (const batch of added) delta = countSum(delta, countBatch({ ...batch, skipped: [] }));\n',
    '',
  ),
  mutant(
    'cancelled leads stay active',
    sweep,
    '    if (leadIds.length > 0) await this.#giveBack(leadIds);\n',
    '',
  ),
  mutant(
    'leads of a killed flip stay active',
    sweep,
    '    await this.#giveBack(leadIds);\n    store.transact',
    '    void leadIds;\n    store.transact',
  ),
  mutant(
    'a key that is known with other content counts as sent',
    settle,
    '        change: unknown(batch, batch.inDoubtSince ?? batch.attemptAt ?? context.nowMs, fault),\n',
    '        change: done(batch, resolvePending(batch.recipientStates, recipientState.sent)),\n',
  ),
  mutant(
    'the fence is not checked',
    'src/crm/fence.ts',
    'AND f.fence > ${number})`',
    'AND f.fence > ${number} AND f.fence < 0)`',
  ),
  mutant(
    'leads of another session are given back',
    flip,
    "AND +l.activated_by = ?2\n  AND +l.status = 'active'",
    "AND ?2 IS NOT NULL\n  AND +l.status = 'active'",
  ),
  mutant(
    "a proxy's answer means not taken",
    'src/mail/providers/outcome-table.ts',
    "    kind: 'unknown',\n    code: `http_${status}`,",
    "    kind: 'transient',\n    retryAfterMs: null,\n    code: `http_${status}`,",
  ),
  mutant(
    'an interrupted call was not taken',
    settle,
    '    attempts: Math.max(0, batch.attempts - 1),\n    inDoubtSince: since,\n    ...fault,',
    '    attempts: Math.max(0, batch.attempts - 1),\n    inDoubtSince: null,\n    ...fault,',
  ),
  {
    name: 'an erased lead is mailed',
    changes: [
      {
        file: 'src/durable/sending/batch-mails.ts',
        find: 'const mail = store.isErased(recipient.leadId)\n',
        replace: 'const mail = store.isErased(-1)\n',
      },
      { file: runner, find: 'store.isErased(prepared.recipients[index]?.leadId ?? 0)', replace: 'index < 0' },
      {
        file: 'src/durable/store/erased-leads.ts',
        find: 'erased.has(recipient.leadId) ?',
        replace: 'erased.has(-1) ?',
      },
    ],
  },
  mutant(
    'an older line replaces a newer one',
    'src/crm/activations.ts',
    'WHERE excluded.rev > activations.rev`',
    'WHERE true`',
  ),
  mutant(
    'a line that was not written is not repeated',
    alarm,
    'return session.recordedRev === session.rev && !mustGiveBack;',
    'return !mustGiveBack;',
  ),
  mutant(
    'deferred leads are forgotten',
    slice,
    '    if (session.cancelledAt === null && store.transact(() => batches.releaseDeferred())) return;\n',
    '',
  ),
  mutant(
    'the time to undo does not count',
    'src/core/session/session.ts',
    "return session.state === 'queued' && startsAt > nowMs",
    "return session.state === 'failed' && startsAt > nowMs",
  ),
  mutant(
    'a retry leaves the failure behind',
    'src/core/batch/retry.ts',
    '        retried,\n        recipientState.moved,\n',
    '        retried,\n        recipientState.failed,\n',
  ),
  mutant(
    'a split loses a recipient',
    settle,
    'parts: [pending.filter((index) => index !== culprit)],',
    'parts: [pending.filter((index) => index > culprit)],',
  ),
  mutant(
    'cancelled batches are counted by row',
    'src/durable/store/batch-store.ts',
    'RETURNING seq, json_array_length(lead_ids) AS leads',
    'RETURNING seq, 1 AS leads',
  ),
  mutant(
    'an event before the doubt is dropped',
    'src/core/batch/settle-batch.ts',
    "const proven = changed.state === 'unknown' ? proveTaken(changed, isTaken) : null;",
    'void isTaken;\n  const proven = null as ReturnType<typeof proveTaken>;',
  ),
  mutant(
    'no probe after an outage',
    'src/core/session/session.ts',
    'Math.max(session.probeAt ?? 0, session.waitingUntil ?? 0) <= nowMs',
    'Math.max(session.probeAt ?? 0, session.waitingUntil ?? 0) < 0',
  ),
  mutant(
    'an erased session stays in the list',
    'src/crm/activations.ts',
    "db.prepare('DELETE FROM activations WHERE session_id = ?').bind(sessionId)",
    "db.prepare('DELETE FROM activations WHERE session_id = ? AND rev < 0').bind(sessionId)",
  ),
  mutant(
    'unlisted leads are not counted',
    'src/core/session/session.ts',
    'counts: { ...session.counts, skipped: session.counts.skipped + unlistedCount },',
    'counts: session.counts,',
  ),
  mutant(
    'late events set their alarm in a later turn',
    alarm,
    '    if (session.finishedAt !== null) {\n      // Set in the turn',
    '    if (session.finishedAt !== null) {\n      await new Promise((resolve) => setTimeout(resolve, 2));\n      // Set in the turn',
  ),
  mutant(
    "a probe does not wait for the day's cap",
    'src/core/session/wake.ts',
    'candidates.push(Math.max(probeAt, batchAt ?? probeAt, heldUntil));',
    'candidates.push(heldUntil < 0 ? heldUntil : Math.max(probeAt, batchAt ?? probeAt));',
  ),
  mutant(
    'an import sets leads new again',
    'src/crm/imports/upsert-leads.ts',
    "const updateSql = (more = ''): string => `UPDATE leads AS l SET\n",
    "const updateSql = (more = ''): string => `UPDATE leads AS l SET status = 'new', activated_at = NULL, activated_by = NULL,\n",
  ),
  mutant(
    'an import counts its leads twice',
    'src/crm/imports/chunks.ts',
    '(SELECT created_count FROM import_chunks WHERE import_number = ?1 AND seq = ?2)`;',
    '(SELECT 2 * created_count FROM import_chunks WHERE import_number = ?1 AND seq = ?2)`;',
  ),
  {
    name: 'a later lead joins the audience',
    changes: [
      {
        file: 'src/crm/audience.ts',
        find: "selectAudience(audience, { asOf: revision, drive: 'id' });",
        replace: "selectAudience(audience, { asOf: revision + 1_000, drive: 'id' });",
      },
      {
        file: 'src/crm/audience.ts',
        find: '.bind(...params, maxLeadId, limit)',
        replace: '.bind(...params, maxLeadId + 1_000, limit)',
      },
    ],
  },
  mutant(
    'retention keeps whom it mailed',
    'src/durable/store/session-store.ts',
    "['batch', 'fate', 'erased_lead', ",
    "['fate', 'erased_lead', ",
  ),
  mutant(
    'a session that has not ended is reduced',
    'src/core/session/retention.ts',
    '  if (session.finishedAt === null || isTakingBack(session)) return null;\n  const anonymizeAt = session.finishedAt +',
    '  const anonymizeAt = (session.finishedAt ?? session.spec.createdAt) +',
  ),
  mutant(
    'another provider takes over by itself',
    'src/durable/sending/provider-change.ts',
    "  store.transact(() => stop(context, provider));\n  return 'other';",
    "  return 'same';",
  ),
  mutant(
    'a doubt of the version before is lost',
    'src/durable/store/schema.ts',
    "UPDATE batch SET in_doubt_since = attempt_at\n    WHERE state = 'waiting'",
    "UPDATE batch SET in_doubt_since = attempt_at\n    WHERE state = 'gone'",
  ),
  mutant(
    'a repeated event counts again',
    'src/core/batch/delivery-status.ts',
    '(after & mask) !== 0 && (before & mask) === 0 ? 1 : 0',
    '(after & mask) !== 0 ? 1 : 0',
  ),
  mutant(
    'a page of results begins one too late',
    'src/durable/session/results.ts',
    'const start = batch.seq === from.seq ? from.index : 0;',
    'const start = batch.seq === from.seq && from.index > 0 ? from.index + 1 : 0;',
  ),
  mutant(
    'broken settings pause a cancelled session',
    'src/core/session/session.ts',
    "if (session.state === 'cancelled' || session.finishedAt !== null) {",
    'if (session.finishedAt !== null) {',
  ),
  mutant(
    'a slice goes on when the window closes',
    'src/core/session/session.ts',
    'return window === undefined || isWindowOpen(window, nowMs) ? null : opensAt(window, nowMs);',
    'return window === undefined || nowMs > 0 ? null : opensAt(window, nowMs);',
  ),
  mutant(
    'a scheduled session begins at once',
    'src/core/schedule/begin.ts',
    'startAt === undefined || nowMs < startAt) return session;',
    'startAt === undefined) return session;',
  ),
  mutant(
    'a retry of unknown mail forgets the risk',
    'src/core/batch/retry.ts',
    "recipientsAt(batch, unknown), nowMs, 'risked')",
    'recipientsAt(batch, unknown), nowMs)',
  ),
  {
    name: 'a refusal is believed in spite of a doubt',
    changes: [
      {
        file: settle,
        find: 'if (batch.inDoubtSince !== null) return { change: unknown(batch, batch.inDoubtSince, outcome), signal };',
        replace: '',
      },
      {
        file: doubt,
        find: '      if (inDoubtSince !== null) {\n',
        replace: '      if (inDoubtSince === 0) {\n',
      },
      {
        file: doubt,
        find: "return batch.inDoubtSince !== null || batch.retried === 'risked';",
        replace: "return batch.retried === 'risked';",
      },
    ],
  },
  mutant(
    "a proxy's refusal fails the mail",
    'src/mail/providers/outcome-table.ts',
    "    kind: 'unknown',\n    code: `http_${status}`,",
    "    kind: 'rejected',\n    index: null,\n    code: `http_${status}`,",
  ),
  mutant(
    "a proxy's 403 pauses for a person",
    'src/mail/providers/outcome-table.ts',
    "  if (status === 429) return { kind: 'throttled', retryAfterMs, isForeign: true };\n",
    "  if (status === 429) return { kind: 'throttled', retryAfterMs, isForeign: true };\n  if (status === 403) return { kind: 'auth', code: 'http_403', message: 'Forbidden.' };\n",
  ),
  mutant(
    'a probe waits for an hour',
    'src/core/limits/breaker.ts',
    'const probeAt = nowMs + Math.round(Math.min(backedOffMs, longestMs));',
    'const probeAt = nowMs + Math.round(60 * Math.min(backedOffMs, longestMs));',
  ),
  mutant(
    'the starter approves',
    approval,
    "  if (isOwnRequest(spec.owner, by)) return refused('own_approval',",
    "  if (spec.owner === '' && isOwnRequest(spec.owner, by)) return refused('own_approval',",
  ),
  mutant(
    'a change leaves the approval as it was',
    'src/core/session/session.ts',
    'return approval.approved !== undefined && approval.approved.manifestHash === manifest?.hash;',
    'return approval.approved !== undefined && manifest !== undefined;',
  ),
  {
    name: 'nobody is waited for',
    changes: [
      {
        file: 'src/core/session/session.ts',
        find: '      spec.approval !== undefined\n',
        replace: '      spec.approval === null\n',
      },
      {
        file: 'src/core/session/session.ts',
        find: "  if (!isApproved(session.spec)) return 'none';\n",
        replace: '',
      },
    ],
  },
  mutant(
    'the audience depends on the clock',
    'src/crm/audience.ts',
    'SELECT l.id FROM ${from} WHERE ${where} AND ${id} <= ?',
    'SELECT l.id FROM ${from} WHERE ${where} AND l.updated_at <= ${Date.now()} AND ${id} <= ?',
  ),
  mutant(
    'a lead that was changed since is taken back',
    takeBackSql,
    '+l.activated_by = ?2 AND NOT ${isTouchedSql}`;',
    '+l.activated_by = ?2`;',
  ),
  {
    name: 'mailed leads are taken back unasked',
    changes: [
      { file: takeBack, find: "else if (choice === 'all' && (state ===", replace: 'else if ((state ===' },
      { file: takeBackPages, find: "choice === 'all' ? '*[fsu]*' : '*f*'", replace: "'*[fsu]*'" },
    ],
  },
  mutant(
    'a page of taking back counts what it changes',
    takeBackSql,
    'return results.at(-1)?.results[0]?.count ?? 0;',
    'return results.slice(0, -1).reduce((sum, { meta }, at) => sum + (at % 2 === 1 ? meta.changes : 0), 0);',
  ),
  {
    name: 'a page of taking back is passed before it is done',
    changes: [
      {
        file: takeBackPages,
        find: '    const { unmailed, mailed } = page;\n',
        replace: `    const { unmailed, mailed } = page;
        store.transact(() => store.save({ ...store.session(), takeBack: { ...takeBack, afterSeq: page.afterSeq } }));\n`,
      },
      {
        file: takeBackPages,
        find: 'if (session.takeBack?.afterSeq !== takeBack.afterSeq) throw',
        replace: 'if (session.takeBack === null) throw',
      },
    ],
  },
  mutant(
    'an activation under way mails who was taken back',
    'src/crm/leads/row.ts',
    "WHEN +l.status = 'active' OR l.taken_back_revision > ${asOf} THEN 'already_active'",
    "WHEN +l.status = 'active' OR l.taken_back_revision > ${asOf} + 1000 THEN 'already_active'",
  ),
  mutant(
    'a taken back activation can be retried',
    'src/core/session/command.ts',
    "      if (session.takeBack !== null && command.kind !== 'assumeSent') return refused(takenBackDetail);\n",
    '',
  ),
  mutant(
    'a lead taken back was never mailed',
    takeBackSql,
    "revertSql('mailed_at = coalesce(mailed_at, activated_at)')",
    "revertSql('mailed_at = NULL')",
  ),
  mutant(
    'nothing goes on with a taking back',
    'src/core/session/wake.ts',
    '  if (isTakingBack(session)) candidates.push(takeBackDueAt(session, nowMs));\n',
    '',
  ),
  mutant(
    'an approval sets going what has a start time',
    approval,
    'const isTimed = spec.schedule !== undefined && spec.startsAt === undefined;',
    'const isTimed = false;',
  ),
  mutant(
    'more leads than were approved',
    approval,
    ': leadCount > (spec.manifest?.manifest.audience.total ?? 0);',
    ': leadCount < 0;',
  ),
  {
    // Two places look.
    name: 'an approval makes a missed start good',
    changes: [
      {
        file: 'src/core/schedule/begin.ts',
        find: '  return nowMs - startAt > maxLateMs\n',
        replace: '  return session.spec.approval === undefined && nowMs - startAt > maxLateMs\n',
      },
      {
        file: 'src/core/schedule/begin.ts',
        find: '  return nowMs - dueAt > maxLateMs && !hasLeft',
        replace: '  return session.spec.approval === undefined && nowMs - dueAt > maxLateMs && !hasLeft',
      },
    ],
  },
  mutant(
    'leads are planned beyond their wave',
    'src/durable/sending/planner.ts',
    'const fillCount = room !== null && room <= wholeCount ? room : null;',
    'const fillCount = room !== null && room <= wholeCount && room < 0 ? room : null;',
  ),
  mutant(
    'the leads of a wave are counted anew after a crash',
    'src/durable/store/session-store.ts',
    '    ...(waves === null ? {} : { waves }),\n',
    `    ...(waves === null
      ? {}
      : { waves: { ...waves, begun: waves.begun.map((wave) => ({ ...wave, plannedCount: wave.lastLeadId === null ? 0 : wave.plannedCount })) } }),\n`,
  ),
  mutant(
    'the end of a wave moves with its leads',
    waves,
    'lastLeadId: isFull ? lastLeadId : null,',
    'lastLeadId: isFull ? lastLeadId + 1 : null,',
  ),
  mutant(
    'the watch is skipped',
    waves,
    'const watchMs = notReported.length === reportedFigures.length ? 0 : plan.watchMinutes * minuteMs;',
    'const watchMs = notReported.length >= 0 ? 0 : plan.watchMinutes * minuteMs;',
  ),
  mutant(
    'a watch begins while mail is open',
    slice,
    '    if (openInWave(session) > 0 && (batches.hasPending() || batches.nextAttemptAt() !== null)) return;\n    if (batches.hasOpen()) return;\n',
    '    if (batches.hasPending()) return;\n',
  ),
  mutant(
    'a gate does not wait for mail that is sent again',
    waves,
    'if (judged !== session || nowMs < at || hasOpen()) return judged;',
    'void hasOpen;\n  if (judged !== session || nowMs < at) return judged;',
  ),
  mutant(
    'a wave that is held goes on',
    'src/core/session/session.ts',
    "    case 'wave_held':\n      return session.isChecking ? 'check' : 'none';",
    "    case 'wave_held':\n      return session.isChecking ? 'check' : 'run';",
  ),
  mutant(
    'the figures of a wave are not looked at',
    waves,
    '    if (count <= allowed || limitPercent === 100) continue;\n',
    '    if (count <= allowed || limitPercent > 0) continue;\n',
  ),
  {
    // Events, the begin of the watch and the gate look; each alone is enough in almost every case.
    name: "a wave's gate is read late",
    changes: [
      {
        file: waves,
        find: '  // After the last mail there is nothing to hold.\n',
        replace: '  if (gateAt(session) !== null) return session;\n',
      },
    ],
  },
  mutant(
    'the watch of a wave that is held ends by itself',
    waves,
    'if (at === null || wave === null || !goesOnByItself(session)) return session;',
    "if (at === null || wave === null || !(goesOnByItself(session) || session.state === 'wave_held')) return session;",
  ),
  mutant(
    'to go on twice passes two waves',
    'src/core/session/command.ts',
    "      if (command.after < wave.number) return { kind: 'unchanged' };\n",
    '',
  ),
  mutant(
    'late events count for the present wave',
    'src/durable/session/delivery-events.ts',
    'addTo(byWave, waveIndexOf(waves, leadId), added);',
    'addTo(byWave, waveIndexOf(waves, leadId + 1_000), added);',
  ),
  mutant(
    'mail that is sent again counts for the present wave',
    waves,
    'const index = leadId === null ? waves.begun.length - 1 : waveIndexOf(waves, leadId);',
    'const index = leadId === null ? waves.begun.length - 1 : waveIndexOf(waves, Infinity);',
  ),
  mutant(
    "a day's wave leaves at once",
    'src/core/session/wave-gate.ts',
    "return 'perDay' in plan && wave.startedAt !== null\n",
    "return 'perDay' in plan && wave.startedAt === 0\n",
  ),
  mutant(
    'nothing wakes at the end of a watch',
    'src/core/session/wake.ts',
    '      } else if (watchedUntil !== null) candidates.push(watchedUntil);\n',
    '      } else if (watchedUntil !== null) return null;\n',
  ),
  mutant(
    'a provider that is away is asked between two waves',
    waves,
    "return state === 'running' || state === 'queued' || (state === 'paused' && reason === 'mail_unreachable');",
    "return state === 'running' || state === 'queued' || (state === 'failed' && reason === 'mail_unreachable');",
  ),
  mutant(
    'an event is written after its change',
    'src/durable/store/session-store.ts',
    '    this.outbox.note(batchEvents(before, after, origin), nowMs);\n',
    '    setTimeout(() => this.transact(() => this.outbox.note(batchEvents(before, after, origin), nowMs)), 1);\n',
  ),
  mutant(
    'an event is written before its change',
    'src/core/events/make-events.ts',
    '    const is = after.recipientStates[index];\n',
    "    const is = after.state === 'inflight' ? recipientState.sent : after.recipientStates[index];\n",
  ),
  mutant(
    'an announcement that was lost is not repeated',
    alarm,
    'isRecorded: isTold(session, nowMs) && store.outbox.isTold,',
    'isRecorded: isTold(session, nowMs),',
  ),
  mutant(
    'an announcement is answered before it is on disk',
    endpoint,
    'const isNews = this.#store.announce(sessionId, seq);',
    'setTimeout(() => { if (this.#store.announce(sessionId, seq)) void this.#arm(); }, 5);\n    const isNews = false;\n    if (seq > 0) return;',
  ),
  mutant(
    'the end of a page is not kept',
    deliveries,
    '    if (source.untilSeq === null)\n',
    '    if (source.untilSeq === -1)\n',
  ),
  mutant(
    'an event that was refused is passed over',
    deliveries,
    "      write({ ...failed, nextAt: next.at }, 'failing', next.at);\n",
    "      write({ ...passed, nextAt: next.at }, 'failing', next.at);\n",
  ),
  mutant(
    'an event is passed before it is sent',
    deliveries,
    '  const attempt = await send(message);\n',
    '  store.saveSource({ ...source, ...noPage, afterSeq: page.until });\n  const attempt = await send(message);\n',
  ),
  mutant(
    'each attempt has its own id',
    deliveries,
    '  const message = messageOf(event);\n',
    '  const message = { ...messageOf(event), id: `${event.data.sessionId}_${event.data.sequence}_${source.attempts}` };\n',
  ),
  mutant(
    'a page changes the order of what happened to a lead',
    'src/core/events/page.ts',
    '        event.leads.every(({ leadId }) => !known.has(leadId))),\n',
    '        event.leads.every(({ leadId }) => !known.has(-leadId))),\n',
  ),
  mutant(
    'an endpoint is sent what is older than itself',
    'src/durable/session/events.ts',
    '(at >= since || seq > knownAfter) && events.length > 0',
    '(at > 0 || since > 0 || seq > knownAfter) && events.length > 0',
  ),
  mutant(
    'only the clock says what an endpoint is sent',
    'src/durable/session/events.ts',
    '(at >= since || seq > knownAfter) && events.length > 0',
    '(at >= since || seq > Infinity + knownAfter) && events.length > 0',
  ),
  mutant(
    'an endpoint that is switched off does not look again',
    endpoint,
    'return this.#store.waitingCount() > 0 ? Math.min(waitMs, offLookMs) : waitMs;',
    'void offLookMs;\n      return waitMs;',
  ),
  mutant(
    'the night calls nobody',
    'src/worker/operations/scheduled-cleanup.ts',
    '[...returnedIds, ...resting.sessionIds].slice(0, maxPokeCount)',
    '[...returnedIds, ...resting.sessionIds].slice(0, returnedIds.length)',
  ),
  mutant(
    'an endpoint is sent what it does not want',
    deliveries,
    'place >= from && types.includes(type) &&',
    'place >= from && types.length > 0 &&',
  ),
  mutant(
    'a retry that succeeds is not told',
    'src/core/events/make-events.ts',
    '    if (is === recipientState.sent) emailed.push({ leadId });\n',
    '    if (is === recipientState.sent && before.retried === null) emailed.push({ leadId });\n',
  ),
  mutant(
    'nothing wakes to send an event again',
    endpoint,
    '    if (waitMs === Infinity || nextAt === null) await',
    '    if (waitMs === Infinity || nextAt === null || nextAt > this.now()) await',
  ),
];
