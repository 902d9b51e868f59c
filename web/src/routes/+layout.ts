// A single-page app: every page is made in the browser from one static shell.
export const ssr = false;
export const prerender = false;
