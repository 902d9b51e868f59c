/**
 * The messages between the processes of a benchmark.
 *
 * @module
 */

export interface MailApiSettings {
  /** From the end of a request to the answer. */
  latencyMs: number;
  /** Calls accepted each second; null: all. */
  ratePerSecond: number | null;
  /** Calendar seconds, or any 1,000 ms. */
  window: 'fixed' | 'sliding';
  /** After so many calls it answers nothing for so long; null: never. */
  stall: { afterCallCount: number; ms: number } | null;
}

export interface MailApiStats {
  callCount: number;
  acceptedCallCount: number;
  throttledCallCount: number;
  /** Calls under a known key: they are answered, and nothing is mailed. */
  replayedCallCount: number;
  mailCount: number;
  leadCount: number;
  /** Mails to a lead that already had one. */
  duplicateCount: number;
  firstMailAt: number | null;
  lastMailAt: number | null;
  /** The longest time between two accepted calls. */
  longestGapMs: number;
}

export type MailApiRequest = { kind: 'set'; settings: MailApiSettings } | { kind: 'stats' };
export type MailApiReply = { kind: 'ready'; port: number } | { kind: 'stats'; stats: MailApiStats };

/** Handed to the runtime's host process as its argument, in JSON. */
export interface HostOptions {
  /** The bundled Worker. */
  scriptFile: string;
  /** Where its storage is. */
  stateFolder: string;
  /** Text bindings. */
  vars: Record<string, string>;
  port: number;
  /** For a profile of the Worker; null: none. */
  inspectorPort: number | null;
}

export type HostReply = { kind: 'ready'; runtimePid: number };
