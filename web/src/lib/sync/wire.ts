/**
 * What arrives from outside, narrowed: progress from the server or from storage, messages between the tabs
 * of one browser. Anything that does not fit is dropped here, so that the rest of the code may trust types.
 *
 * @module
 */
import { sessionStates, type Issue, type Progress } from '../../../../src/shared/progress.ts';
import { isSessionId } from '../../../../src/shared/session-id.ts';

/** How the numbers on the screen are kept fresh just now. */
const links = [
  'connecting',
  'streaming',
  'polling',
  'retrying',
  'offline',
  /** Whoever stands in front of the server wants a person to sign in. */
  'signed-out',
  'refused',
] as const;
export type Link = (typeof links)[number];

/** Links under which the numbers on the screen may be old. */
export function isStale(link: Link): boolean {
  return link === 'retrying' || link === 'offline' || link === 'signed-out' || link === 'refused';
}

/** Messages on the BroadcastChannel of one browser. */
export type TabMessage =
  /** A tab was opened or shown: the leader answers with all it knows. */
  | { kind: 'hello' }
  /** The leader is alive. */
  | { kind: 'heartbeat' }
  /** `live`: a person in some tab started or resumed it just now, so it is worth a stream. */
  | { kind: 'track'; sessionId: string; live: boolean }
  | { kind: 'progress'; progress: Progress }
  | { kind: 'issues'; sessionId: string; rev: number; issues: Issue[] }
  | { kind: 'link'; sessionId: string; link: Link }
  /** Unknown to the server, erased, or dismissed by a person. */
  | { kind: 'gone'; sessionId: string };

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function hasCounts(value: unknown, names: readonly string[]): boolean {
  return isFields(value) && names.every((name) => isCount(value[name]));
}

/** True when `value` has every field of {@link Progress} that the screens compute with. */
export function isProgress(value: unknown): value is Progress {
  return (
    isFields(value) &&
    isSessionId(value['sessionId']) &&
    typeof value['name'] === 'string' &&
    (sessionStates as readonly unknown[]).includes(value['state']) &&
    ['rev', 'total', 'processed', 'createdAt', 'updatedAt'].every((name) => isCount(value[name])) &&
    hasCounts(value['activation'], ['activated', 'skipped', 'failed']) &&
    hasCounts(value['email'], ['sent', 'failed', 'unknown', 'delivered', 'bounced', 'complained'])
  );
}

function isIssue(value: unknown): value is Issue {
  return (
    isFields(value) &&
    typeof value['code'] === 'string' &&
    typeof value['message'] === 'string' &&
    isCount(value['count'])
  );
}

/** Parses the data of an `issues` event. */
export function isIssueList(value: unknown): value is { rev: number; issues: Issue[] } {
  return (
    isFields(value) &&
    isCount(value['rev']) &&
    Array.isArray(value['issues']) &&
    value['issues'].every(isIssue)
  );
}

/** True for a message that this version of the app understands; others are another deploy's. */
export function isTabMessage(value: unknown): value is TabMessage {
  if (!isFields(value)) return false;
  switch (value['kind']) {
    case 'hello':
    case 'heartbeat':
      return true;
    case 'track':
      return isSessionId(value['sessionId']) && typeof value['live'] === 'boolean';
    case 'progress':
      return isProgress(value['progress']);
    case 'issues':
      return isSessionId(value['sessionId']) && isIssueList(value);
    case 'link':
      return isSessionId(value['sessionId']) && (links as readonly unknown[]).includes(value['link']);
    case 'gone':
      return isSessionId(value['sessionId']);
    default:
      return false;
  }
}

/** `JSON.parse` that answers `undefined` for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
