/**
 * What a session does when the settings name another mail provider than the one that it was started with.
 *
 * It settles what the old provider may have taken, pauses, and goes on with the new provider once a person resumes.
 * Does not send. Invariants: mail that is in doubt with one provider is not sent through another one by itself,
 * because its key means nothing there; a batch that is larger than the new provider takes stays where it is.
 *
 * @module
 */
import { pauseFor, touch } from '../../core/session/session.ts';
import { expire } from '../../core/batch/settle.ts';
import type { MailTransport } from '../../mail/transport.ts';
import { BatchWriter } from './batch-writer.ts';
import type { SliceContext } from '../session/context.ts';

type ProviderContext = Pick<SliceContext, 'store' | 'mail' | 'now' | 'random' | 'log' | 'traits'>;

/**
 * Compares the provider of the settings with the session's own.
 *
 * @returns `same` when batches may leave through it; `other` when the session was paused or cancelled instead
 */
export function checkProvider(context: ProviderContext): 'same' | 'other' {
  const { store } = context;
  const { transport } = context.mail;
  const { provider, offeredProvider } = store.session().spec;
  if (provider === undefined) return 'same';
  if (transport.name === provider || transport.name === offeredProvider) {
    // Nothing was in doubt when it was offered, and nothing has left since.
    if (offeredProvider !== undefined) {
      store.transact(() => {
        // Keys of the old one mean nothing to the new: what is unknown can be sent anew, but not asked about.
        if (transport.name !== provider) store.batches.forgetKeys();
        store.setProvider(transport.name, null);
        store.save(touch(store.session(), context.now(), { checkableUntil: null }));
      });
    }
    return 'same';
  }
  store.transact(() => stop(context, provider));
  return 'other';
}

function stop(context: ProviderContext, provider: string): void {
  const { store, now } = context;
  const { transport } = context.mail;
  const nowMs = now();
  const writer = new BatchWriter(context);
  for (const state of ['inflight', 'waiting'] as const) {
    for (const batch of store.batches.inState(state)) {
      const inDoubtSince = batch.inDoubtSince ?? (state === 'inflight' ? batch.attemptAt : null);
      if (inDoubtSince !== null || state === 'inflight') {
        const code = 'provider_changed';
        const message = 'The mail provider was changed before it was known whether this mail had been sent.';
        writer.apply(batch, expire({ ...batch, inDoubtSince, code, message }, nowMs), { kind: 'none' });
      }
    }
  }
  const session = store.session();
  if (session.state === 'cancelled') {
    // What was to be checked cannot be; nothing else of it will leave.
    store.save(touch(pauseFor(session, 'mail_auth', changedProvider(provider, transport)), nowMs, {}));
    return;
  }
  // Another provider is another manifest, which nobody has approved.
  const isBound = session.spec.approval !== undefined;
  const fits = !isBound && session.spec.batchLeadCount <= transport.maxBatch;
  const message = isBound
    ? `${changedProvider(provider, transport)} It was approved with ${provider}: put the settings of ${provider} back and resume, or cancel and start anew.`
    : changeMessage(provider, transport, fits);
  store.save(touch(pauseFor(session, 'mail_auth', message), nowMs, {}));
  store.setProvider(provider, fits ? transport.name : null);
}

function changedProvider(provider: string, { name }: MailTransport): string {
  return `The mail provider was changed from ${provider} to ${name} while this activation was under way.`;
}

function changeMessage(provider: string, transport: MailTransport, fits: boolean): string {
  const { name } = transport;
  const what = changedProvider(provider, transport);
  return fits
    ? `${what} Resume to send the rest through ${name}, or put the settings of ${provider} back first.`
    : `${what} Its batches are larger than ${name} takes: put the settings of ${provider} back and resume, or cancel and start anew.`;
}
