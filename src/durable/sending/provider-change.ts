/**
 * What a run does when the settings name another mail provider than the one that it was started with.
 *
 * Owns: settling what the old one may have taken, stopping, and going on with the new one once a person has
 * said so. Never: sending. Invariants: what is in doubt with one provider is never sent through another by
 * itself, since its key means nothing there; batches that are larger than the new one takes stay.
 *
 * @module
 */
import { pauseFor, touch } from '../../core/session/session.ts';
import { expire } from '../../core/batch/settle.ts';
import type { MailTransport } from '../../mail/transport.ts';
import { BatchWriter } from './batch-writer.ts';
import type { SliceContext } from '../session/slice-context.ts';

type ProviderContext = Pick<SliceContext, 'store' | 'transport' | 'now' | 'random' | 'log'>;

/**
 * Compares the provider of the settings with the run's own.
 *
 * @returns `same` when batches may leave through it; `other` when the run has been stopped instead
 */
export function checkProvider(context: ProviderContext): 'same' | 'other' {
  const { store, transport } = context;
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
  const { store, transport, now } = context;
  const nowMs = now();
  const writer = new BatchWriter({ ...context, traits: () => transport });
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
  const fits = session.spec.batchLeadCount <= transport.maxBatch;
  store.save(touch(pauseFor(session, 'mail_auth', changeMessage(provider, transport, fits)), nowMs, {}));
  store.setProvider(provider, fits ? transport.name : null);
}

function changedProvider(provider: string, { name }: MailTransport): string {
  return `The mail provider was changed from ${provider} to ${name} while this run was under way.`;
}

function changeMessage(provider: string, transport: MailTransport, fits: boolean): string {
  const { name } = transport;
  const what = changedProvider(provider, transport);
  return fits
    ? `${what} Resume to send the rest through ${name}, or put the settings of ${provider} back first.`
    : `${what} Its batches are larger than ${name} takes: put the settings of ${provider} back and resume, or cancel and start anew.`;
}
