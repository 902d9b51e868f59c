/**
 * The explorer: walks every path of a small world, each state once.
 *
 * A walk begins at a state at rest and repeats the choices that lead to a place; there it takes another option, and from
 * there on nothing goes wrong. Walks on which less has gone wrong come first, so the first path that breaks a
 * promise is a shortest one. The frontier is empty when every option of every state was taken.
 *
 * @module
 */
import type { ExplorationReport } from '../reports.ts';
import type { Choice } from './choices.ts';
import { SmallWorld, type Bounds, type Rest, type Walk } from './small-world.ts';

export interface ExplorationLimits extends Bounds {
  /** Crashes, commands, faults and events of one path. */
  wrong: number;
  /** CPU time. */
  seconds: number;
}

export type Exploration = Omit<ExplorationReport, 'provider'>;

/** A state at rest, and how it was reached. */
interface Place {
  rest: Rest;
  from: Place | null;
  choices: readonly Choice[];
}

/** A place, and what is decided from there on; then nothing goes wrong. */
interface Start {
  place: Place;
  given: readonly string[];
}

/** Explores until the frontier is empty, a promise is broken, or the time is up. Call it from a timer. */
export function explore({ wrong, seconds, ...bounds }: ExplorationLimits): Exploration {
  const world = new SmallWorld(bounds);
  try {
    return exploreWorld(world, wrong, seconds);
  } finally {
    world.dispose();
  }
}

function exploreWorld(world: SmallWorld, maxWrongCount: number, seconds: number): Exploration {
  const startedAt = process.cpuUsage();
  const cpuMs = (): number => {
    const { user, system } = process.cpuUsage(startedAt);
    return (user + system) / 1_000;
  };
  const states = new States();
  const frontier: Start[][] = [];
  const push = (start: Start, wrongCount: number): void => {
    if (wrongCount <= maxWrongCount) (frontier[wrongCount] ??= []).push(start);
  };
  let restCount = 0;
  let walkCount = 0;
  const sum = (violation: Exploration['violation'], frontierCount: number): Exploration => ({
    stateCount: states.count,
    restCount,
    endCount: states.endCount,
    walkCount,
    frontierCount,
    cpuMs: cpuMs(),
    violation,
  });
  const arrive = (place: Place, wrongCount: number): void => {
    const { rest } = place;
    if (states.isKnown(rest.key, rest.crashesLeft)) return;
    restCount++;
    states.reached(rest.key, place, []);
    if (rest.isEnded) states.ended(rest.key);
    if (!rest.isErased) push({ place, given: [] }, wrongCount);
  };
  arrive({ rest: world.begin(), from: null, choices: [] }, 0);

  for (let wrongCount = 0; wrongCount < frontier.length; wrongCount++) {
    const level = frontier[wrongCount] ?? [];
    for (const [at, start] of level.entries()) {
      if (cpuMs() > seconds * 1_000) {
        const later = frontier.slice(wrongCount + 1).reduce((count, { length }) => count + length, 0);
        return sum(null, level.length - at + later);
      }
      const { place, given } = start;
      const walk = world.walk(place.rest, given, (key, crashesLeft) => states.isKnown(key, crashesLeft));
      walkCount++;
      if (walk.violation !== null) {
        return sum({ ...walk.violation, path: [...pathTo(place), ...stepsOf(walk.choices)] }, 0);
      }
      for (const [index, { options }] of walk.choices.entries()) {
        const before = walk.choices.slice(0, index).map(({ taken }) => taken);
        for (const option of options?.slice(1) ?? [])
          push({ place, given: [...before, option] }, wrongCount + 1);
      }
      states.walked(start, walk);
      if (walk.rest !== null) arrive({ rest: walk.rest, from: place, choices: walk.choices }, wrongCount);
    }
    // Its walks are not needed any more.
    frontier[wrongCount] = [];
  }
  // Under a bound, the walk that a person's help begins may not have been taken.
  return sum(maxWrongCount === Infinity ? states.deadEnd() : null, 0);
}

/** The states that were met, and what follows from each when nothing goes wrong. */
class States {
  /** The most crashes that were left in a state: with fewer, nothing new can happen. */
  readonly #known = new Map<string, number>();
  /** The state that follows when all is well and a person resumes what needs it. */
  readonly #next = new Map<string, string>();
  readonly #ended = new Set<string>();
  readonly #ways = new Map<string, { place: Place; given: readonly string[] }>();

  get count(): number {
    return this.#known.size;
  }

  get endCount(): number {
    return this.#ended.size;
  }

  /** True for a state that was met with as many crashes left; notes it otherwise. */
  isKnown(key: string, crashesLeft: number): boolean {
    if ((this.#known.get(key) ?? -1) >= crashesLeft) return true;
    this.#known.set(key, crashesLeft);
    return false;
  }

  ended(key: string): void {
    this.#ended.add(key);
  }

  reached(key: string, place: Place, given: readonly string[]): void {
    if (!this.#ways.has(key)) this.#ways.set(key, { place, given });
  }

  /** Notes which states followed each other on a walk while nothing went wrong. */
  walked({ place, given }: Start, { choices, passed }: Walk): void {
    const { key: beginning, helpedBy } = place.rest;
    const isWell = helpedBy === null ? given.length === 0 : given.length === 1 && given[0] === helpedBy;
    let from = isWell ? beginning : null;
    for (const { key, choiceCount } of passed) {
      if (from !== null && from !== key) this.#next.set(from, key);
      from = choiceCount >= given.length ? key : null;
      const before = choices.slice(0, choiceCount).map(({ taken }) => taken);
      this.reached(key, place, before);
    }
  }

  /** A state from which nothing leads to the end although all is well; null when there is none. */
  deadEnd(): Exploration['violation'] {
    const good = new Set(this.#ended);
    for (const key of this.#known.keys()) {
      const way = new Set<string>();
      let at: string | undefined = key;
      while (at !== undefined && !good.has(at) && !way.has(at)) {
        way.add(at);
        at = this.#next.get(at);
      }
      if (at === undefined || !good.has(at)) return this.#stuckAt(key);
      for (const passed of way) good.add(passed);
    }
    return null;
  }

  #stuckAt(key: string): Exploration['violation'] {
    const way = this.#ways.get(key);
    const given = way?.given.map((taken): Choice => ({ options: null, taken })) ?? [];
    return {
      invariant: 'every session ends',
      message: `From here it never ends although all is well: ${key}`,
      path: way === undefined ? [] : [...pathTo(way.place), ...stepsOf(given)],
    };
  }
}

function pathTo({ from, choices }: Place): string[] {
  return from === null ? [] : [...pathTo(from), ...stepsOf(choices)];
}

/** What a person reads: how it began, and what went wrong. */
function stepsOf(choices: readonly Choice[]): string[] {
  return choices.flatMap(({ options, taken }, index) => {
    if (index === 0) return [taken];
    return options === null && taken !== 'go on' && taken !== 'taken' ? [`  ${taken}`] : [];
  });
}
