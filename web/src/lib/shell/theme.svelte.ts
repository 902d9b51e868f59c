/**
 * Light or dark: the system's setting until a person chooses. `static/theme.js` sets it before the first
 * paint; both read the same key.
 *
 * @module
 */
export type ThemeName = 'light' | 'dark';

const key = 'lead-activation:theme';

export class Theme {
  #name = $state<ThemeName>('light');

  /** Reads what is set and follows the system. Returns how to stop. */
  connect(): () => void {
    this.#name = document.documentElement.dataset['theme'] === 'dark' ? 'dark' : 'light';
    const system = matchMedia('(prefers-color-scheme: dark)');
    const follow = (): void => {
      if (!hasChoice()) this.#set(system.matches ? 'dark' : 'light');
    };
    system.addEventListener('change', follow);
    return () => system.removeEventListener('change', follow);
  }

  get name(): ThemeName {
    return this.#name;
  }

  toggle(): void {
    const next = this.#name === 'dark' ? 'light' : 'dark';
    this.#set(next);
    try {
      localStorage.setItem(key, next);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }

  #set(name: ThemeName): void {
    this.#name = name;
    document.documentElement.dataset['theme'] = name;
  }
}

function hasChoice(): boolean {
  try {
    return localStorage.getItem(key) !== null;
  } catch {
    return false;
  }
}
