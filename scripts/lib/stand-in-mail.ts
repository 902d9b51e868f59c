/**
 * The stand-in for the mail API: `emulate`'s Resend, in this process, on the loopback address only.
 *
 * It keeps mail and idempotency keys in memory, until this process ends.
 *
 * @module
 */
import { createEmulator } from 'emulate';

/** A running stand-in. */
export interface StandInMail {
  /** Base URL of the API. */
  readonly url: string;
  /** Page that shows the mails it has taken. */
  readonly inboxUrl: string;
  /** Removes every mail and key. */
  reset(): void;
  close(): Promise<void>;
}

/** Starts a stand-in mail API on a free port, or on the one given. */
export async function startStandInMail(port = 0): Promise<StandInMail> {
  const emulator = await createEmulator({ service: 'resend', port });
  // The emulator says `localhost`, which is ::1 on some machines, where it does not listen.
  const url = `http://127.0.0.1:${new URL(emulator.url).port}`;
  return {
    url,
    inboxUrl: `${url}/inbox`,
    reset: () => {
      emulator.reset();
    },
    close: () => emulator.close(),
  };
}
