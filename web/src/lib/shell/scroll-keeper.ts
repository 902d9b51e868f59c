/**
 * Going back shows a page where it was left. The browser and SvelteKit restore a place at once; most of our
 * pages are still short then, because their rows come from the server. This waits until the page is long enough.
 *
 * @module
 */

/** After that the page has changed, and a jump would surprise. */
const maxWaitMs = 4_000;
/** Places of so many pages are remembered. */
const maxPlaceCount = 50;

export class ScrollKeeper {
  readonly #places = new Map<string, number>();
  #stop: (() => void) | null = null;

  /** A page is being left. */
  remember(href: string): void {
    this.#stop?.();
    this.#places.delete(href);
    this.#places.set(href, window.scrollY);
    const [oldest] = this.#places.keys();
    if (this.#places.size > maxPlaceCount && oldest !== undefined) this.#places.delete(oldest);
  }

  /** A page was gone back to. */
  restore(href: string): void {
    this.#stop?.();
    const place = this.#places.get(href) ?? 0;
    if (place === 0) return;
    const root = document.documentElement;
    const isLong = (): boolean => root.scrollHeight - innerHeight >= place;
    const observer = new ResizeObserver(() => {
      if (!isLong()) return;
      window.scrollTo({ top: place, behavior: 'instant' });
      this.#stop?.();
    });
    // Who scrolls meanwhile has chosen another place.
    const abort = new AbortController();
    const timer = setTimeout(() => this.#stop?.(), maxWaitMs);
    this.#stop = () => {
      observer.disconnect();
      abort.abort();
      clearTimeout(timer);
      this.#stop = null;
    };
    for (const kind of ['wheel', 'touchmove', 'keydown', 'pointerdown']) {
      addEventListener(kind, () => this.#stop?.(), { signal: abort.signal, passive: true });
    }
    observer.observe(document.body);
  }
}
