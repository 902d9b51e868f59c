/**
 * Short notes at the edge of the screen. Each disappears by itself; warnings and errors stay longer.
 *
 * @module
 */
import type { ChipTone } from '../ui/chip.svelte';

export interface Toast {
  id: number;
  tone: Extract<ChipTone, 'neutral' | 'good' | 'warn' | 'bad'>;
  title: string;
  text: string;
  link: { href: string; label: string } | null;
}

const shownMs = { calm: 8_000, alarming: 20_000 };

export class Toasts {
  #list = $state.raw<readonly Toast[]>([]);
  #nextId = 1;

  get list(): readonly Toast[] {
    return this.#list;
  }

  show(toast: Omit<Toast, 'id'>): void {
    const id = this.#nextId++;
    this.#list = [...this.#list, { ...toast, id }].slice(-4);
    const alarming = toast.tone === 'bad' || toast.tone === 'warn';
    setTimeout(() => this.dismiss(id), alarming ? shownMs.alarming : shownMs.calm);
  }

  dismiss(id: number): void {
    this.#list = this.#list.filter((toast) => toast.id !== id);
  }
}
