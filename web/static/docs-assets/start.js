// Follows the theme of the app (theme.js), and shows the description of the API.
document.documentElement.classList.toggle('dark-mode', document.documentElement.dataset.theme === 'dark');
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  // The list of calls first: the schemas are shown where they are used.
  defaultModelsExpandDepth: -1,
  docExpansion: 'list',
  filter: true,
  displayRequestDuration: true,
});
