// Sets the theme before the first paint; a file of its own because the policy allows no inline script.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem('lead-activation:theme');
  } catch {
    // Storage may be switched off: follow the system.
  }
  const dark =
    chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
