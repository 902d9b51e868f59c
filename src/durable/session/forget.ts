/**
 * Forgetting a person: deletes them from everything that a session stores.
 *
 * Reads every recipient of the session, in parts: requests and the slice get a turn in between. Does not decide who is
 * erased (worker/operations/erasure.ts). Invariants: a lead that is being erased is not written again, also by a slice
 * that holds it; a call that broke off can be repeated.
 *
 * @module
 */
import type { ForgottenPerson } from '../../shared/forgotten.ts';
import type { SessionContext } from './context.ts';
import { aboutLeaf, closeAbout, closeMembers } from './receipt.ts';

/** A part of 20,000 recipients takes some 40 ms. */
const partBatchCount = 200;

/** @returns true when the name of the session has changed */
export async function forgetPerson(
  context: Pick<SessionContext, 'store' | 'env' | 'now' | 'sleep'>,
  person: ForgottenPerson,
): Promise<boolean> {
  const { store, sleep } = context;
  let wasEnded = store.load()?.finishedAt !== null;
  /** Once over all batches, also those that are added meanwhile; false when the session was removed. */
  const inParts = async (work: (afterSeq: number, untilSeq: number) => void): Promise<boolean> => {
    for (let afterSeq = 0; ; afterSeq += partBatchCount) {
      const session = store.load();
      if (session === null) return false;
      // A retry between two parts sets an ended session going again: it must not mail who is being erased.
      if (wasEnded && session.finishedAt === null) {
        wasEnded = false;
        note(found);
      }
      if (afterSeq >= store.batches.lastSeq()) return true;
      work(afterSeq, afterSeq + partBatchCount);
      await sleep(0);
    }
  };
  const note = (leadIds: Iterable<number>): void =>
    store.transact(() => {
      if (store.load() !== null) store.noteErased([...leadIds]);
    });
  const found = new Set<number>(person.leadId === null ? [] : [person.leadId]);
  note(found);
  // First all leads by their addresses: another mail to the same lead may have gone to another address.
  const isKnown = await inParts((afterSeq, untilSeq) => {
    for (const leadId of store.leadIdsOf(person, afterSeq, untilSeq)) found.add(leadId);
  });
  if (!isKnown) return false;
  note(found);
  const leadIds = [...found];
  if (leadIds.length > 0) {
    await inParts((afterSeq, untilSeq) =>
      store.transact(() => {
        closeMembers(context, found, store.batches.holdingAny(leadIds, afterSeq, untilSeq));
        store.eraseLeads(leadIds, afterSeq, untilSeq);
      }),
    );
  }
  return store.transact(() => store.load() !== null && forgetMentions(context, person));
}

/** Deletes a person from the session's name and search. @returns true when the name has changed */
function forgetMentions(
  { store, now }: Pick<SessionContext, 'store' | 'now'>,
  person: ForgottenPerson,
): boolean {
  const { spec } = store.session();
  const leaf = aboutLeaf({ store });
  const isRenamed = store.forgetMentions(person, now());
  if (leaf !== null && store.session().spec !== spec) closeAbout({ store }, leaf);
  return isRenamed;
}
