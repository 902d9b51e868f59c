/**
 * What the simulator assumes of the platform: the one list.
 *
 * Each rule names the page that promises it. test/workerd/platform.test.ts shows each on the real runtime, so that a
 * change of the platform breaks a named rule. Where the code of this folder is kinder than a rule, it says so.
 *
 * @module
 */
const objects = 'https://developers.cloudflare.com/durable-objects';
const d1 = 'https://developers.cloudflare.com/d1';

export interface Assumption {
  rule: string;
  /** Where it is written. */
  page: string;
}

export const assumptions = {
  // ── what an object writes ──
  oneCommit: {
    rule: 'What one turn writes is one commit',
    page: `${objects}/best-practices/access-durable-objects-storage/`,
  },
  lostTogether: {
    rule: 'What a turn has written is lost when the object dies in that turn',
    page: `${objects}/best-practices/access-durable-objects-storage/`,
  },
  transaction: {
    rule: 'What transactionSync has written is undone when its work throws',
    page: `${objects}/api/sqlite-storage-api/#transactionsync`,
  },
  outputGate: {
    rule: 'A request does not leave before what was written before it is durable',
    page: `${objects}/reference/in-memory-state/`,
  },
  leftArrives: {
    rule: 'A request that has left is carried out, also when its sender has died',
    page: `${d1}/worker-api/prepared-statements/#run`,
  },
  inputGate: {
    rule: 'While storage is awaited, no other event is delivered; while anything else is awaited, others are',
    page: `${objects}/glossary/`,
  },
  maxParameters: {
    rule: 'A statement takes 100 parameters, and no more',
    page: `${objects}/platform/limits/`,
  },
  missingTable: {
    rule: 'A statement about a table that is missing says so',
    page: `${objects}/api/sqlite-storage-api/#exec`,
  },
  blobs: {
    rule: 'A blob comes back as an ArrayBuffer',
    page: `${objects}/api/sqlite-storage-api/#exec`,
  },
  deleteAll: {
    rule: 'deleteAll takes effect at once, for the alarm too: what its turn writes after it is a commit of its own',
    page: `${objects}/api/sqlite-storage-api/#deleteall`,
  },
  // ── an object's life ──
  newInstance: {
    rule: 'After a death the next event makes a new instance, without the memory and on the durable rows',
    page: `${objects}/reference/in-memory-state/`,
  },
  callFails: {
    rule: 'A call fails when the object dies before its answer',
    page: `${objects}/best-practices/error-handling/`,
  },
  copies: {
    rule: 'Arguments and answers of a call are copies',
    page: 'https://developers.cloudflare.com/workers/runtime-apis/rpc/',
  },
  // ── alarms ──
  oneAlarm: {
    rule: 'An object has one alarm: setAlarm replaces it, deleteAlarm removes it',
    page: `${objects}/api/alarms/#setalarm`,
  },
  alarmIsWrite: {
    rule: 'An alarm that is set in a turn which is lost is not set',
    page: `${objects}/api/alarms/`,
  },
  noAlarmMeanwhile: {
    rule: 'While an alarm is handled, none is set, until the handler sets one, which stays',
    page: `${objects}/api/alarms/#getalarm`,
  },
  alarmAfterDeath: {
    rule: 'An alarm whose handler died is delivered again',
    page: `${objects}/api/alarms/#alarm`,
  },
  alarmAfterError: {
    rule: 'An alarm whose handler threw is delivered again',
    page: `${objects}/api/alarms/#alarm`,
  },
  // ── D1 ──
  batch: {
    rule: 'A batch of D1 is one transaction',
    page: `${d1}/worker-api/d1-database/#batch`,
  },
  batchSeesItself: {
    rule: 'A statement of a batch sees what the ones before it have changed',
    page: `${d1}/worker-api/d1-database/#batch`,
  },
  refusals: {
    rule: 'A statement that D1 refuses says D1_ERROR and why',
    page: `${d1}/observability/debug-d1/`,
  },
} as const satisfies Record<string, Assumption>;
