declare global {
  namespace App {
    interface PageData {
      /** What the tab's title says of the page. */
      title?: string;
    }
    interface PageState {
      /** Cursors of the pages before this one, so that Previous works in a keyset list. */
      trail?: string[];
    }
  }
}

export {};
