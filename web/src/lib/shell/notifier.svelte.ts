/**
 * A desktop notification when an activation ends while nobody looks at the page. It is off until a person
 * turns it on, and only then is the browser's permission asked for.
 *
 * @module
 */
const key = 'lead-activation:notify';

/** `denied`: the browser was told no, and only its own settings can change that. */
export type NotifierState = 'unsupported' | 'off' | 'on' | 'denied';

export class Notifier {
  #state = $state<NotifierState>('off');

  constructor() {
    this.#state = this.#read();
  }

  get state(): NotifierState {
    return this.#state;
  }

  /** Turns it on, with the browser's question where that is open, or off. */
  async toggle(): Promise<void> {
    if (this.#state === 'on') this.#keep(false);
    else if ((await Notification.requestPermission()) === 'granted') this.#keep(true);
    this.#state = this.#read();
  }

  /** Tells it, unless somebody looks at this tab. Tabs that tell the same are one notification. */
  show(note: { id: string; title: string; text: string; open: () => void }): void {
    if (this.#state !== 'on' || document.visibilityState === 'visible') return;
    try {
      const shown = new Notification(note.title, { body: note.text, tag: note.id, icon: '/favicon.svg' });
      shown.addEventListener('click', () => {
        window.focus();
        note.open();
        shown.close();
      });
    } catch {
      // Some browsers have the class and let only service workers use it.
      this.#state = 'unsupported';
    }
  }

  #keep(wanted: boolean): void {
    try {
      if (wanted) localStorage.setItem(key, 'on');
      else localStorage.removeItem(key);
    } catch {
      // Without storage there is nothing to keep it in.
    }
  }

  #read(): NotifierState {
    if (typeof Notification === 'undefined') return 'unsupported';
    if (Notification.permission === 'denied') return 'denied';
    try {
      return Notification.permission === 'granted' && localStorage.getItem(key) === 'on' ? 'on' : 'off';
    } catch {
      return 'off';
    }
  }
}
