/**
 * How a person divides an activation into waves: the sizes, the watch and the limits. Says what is wrong with them
 * before they are sent; the server checks them again.
 *
 * @module
 */
import { limits as appLimits } from '../../../../src/shared/limits.ts';
import {
  defaultWatchMinutes,
  defaultWaveLimits,
  leadsOfWave,
  waveSizes,
  type WaveLimits,
  type WavePlan,
  type WaveSize,
} from '../../../../src/shared/waves.ts';
import { waveMessages as m } from '../messages/waves.ts';

export type WaveKind = 'sizes' | 'perDay';

/** What a field for a number holds; null or undefined while it has none. */
type Entered = number | null | undefined;

interface WaveDraft {
  isOn: boolean;
  kind: WaveKind;
  /** The waves before the rest: leads, or a part of all leads. */
  sizes: string;
  leadsPerDay: Entered;
  at: string;
  watchMinutes: Entered;
  limits: Record<keyof WaveLimits, Entered>;
}

const isWhole = (value: Entered, least: number, most = Number.MAX_SAFE_INTEGER): value is number =>
  Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
const isWithin = (value: Entered, least: number, most: number): value is number =>
  typeof value === 'number' && value >= least && value <= most;

export class WaveChoice {
  /** What is typed. */
  readonly draft: WaveDraft = $state({
    isOn: false,
    kind: 'sizes',
    sizes: '50, 10%',
    leadsPerDay: 500,
    at: '09:00',
    watchMinutes: defaultWatchMinutes,
    limits: { ...defaultWaveLimits },
  });
  /** Why the server has refused the plan, for a person; null where it has not. */
  refused = $state<string | null>(null);
  readonly #zone: () => string;

  /** @param zone - of the hour of a daily plan; asked again each time, as the start time has the same one */
  constructor(zone: () => string) {
    this.#zone = zone;
  }

  /** The sizes that were typed; null where one of them is none. */
  get #sizes(): WaveSize[] | null {
    const parts = this.draft.sizes.split(/[,;]/).map((part) => /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(part));
    const sizes: WaveSize[] = [];
    for (const part of parts) {
      const value = Number(part?.[1]);
      if (part?.[2] === '%' && isWithin(value, 0.01, 99.99)) sizes.push({ percent: value });
      else if (part?.[2] === '' && isWhole(value, 1)) sizes.push({ leads: value });
      else return null;
    }
    return sizes.length > appLimits.maxWaveSizeCount ? null : sizes;
  }

  /** What is wrong with what was typed, for a person, whatever the audience is; null where nothing is. */
  get #typedFault(): string | null {
    const { faults } = m;
    if (this.draft.kind === 'perDay') {
      if (!isWhole(this.draft.leadsPerDay, 1) || this.draft.at === '') return faults.perDay;
    } else if (this.#sizes === null) return faults.sizes;
    if (!isWhole(this.draft.watchMinutes, 0, appLimits.maxWatchMinutes)) return faults.watch;
    const { minMails, ...percents } = this.draft.limits;
    const areLimits =
      Object.values(percents).every((value) => isWithin(value, 0, 100)) && isWhole(minMails, 1, 100_000);
    return areLimits ? null : faults.limits;
  }

  /**
   * The whole plan with all of its defaults, as the manifest has it: a shorter one would give another hash. Null where
   * there are no waves, or something is wrong with them.
   */
  get plan(): WavePlan | null {
    if (!this.draft.isOn || this.#typedFault !== null) return null;
    const rules = {
      watchMinutes: Number(this.draft.watchMinutes),
      // No field of it is empty: that would be a fault.
      limits: { ...this.draft.limits } as WaveLimits,
    };
    if (this.draft.kind === 'perDay') {
      return {
        perDay: { leads: Number(this.draft.leadsPerDay), at: this.draft.at, zone: this.#zone() },
        ...rules,
      };
    }
    const sizes = this.#sizes ?? [];
    return { sizes, ...rules };
  }

  /**
   * What is wrong, for a person; null where it can be used.
   *
   * @param total - leads of the audience; null while they are not counted
   */
  faultFor(total: number | null): string | null {
    if (!this.draft.isOn) return null;
    const { plan } = this;
    if (plan === null) return this.#typedFault;
    if (total === null) return null;
    if ('perDay' in plan) {
      const isTooLong = Math.ceil(total / plan.perDay.leads) > appLimits.maxWaveCount;
      return isTooLong ? m.faults.tooManyDays(Math.ceil(total / appLimits.maxWaveCount)) : null;
    }
    const before = plan.sizes.reduce((sum, size) => sum + leadsOfWave(size, total), 0);
    return before < total ? null : m.faults.nothingLeft(before, total);
  }

  /** Leads of each wave; empty while that is not known. */
  sizesFor(total: number | null): number[] {
    const { plan } = this;
    return plan === null || total === null || this.faultFor(total) !== null ? [] : waveSizes(plan, total);
  }

  /** The part of a start request that says all this. */
  get request(): { waves?: WavePlan } {
    const { plan } = this;
    return plan === null ? {} : { waves: plan };
  }
}
