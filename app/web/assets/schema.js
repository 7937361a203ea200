// The page that describes the machines' interface, from our own files.
const page = document.getElementById("schema");
window.SwaggerUIBundle({
  domNode: page,
  url: page.dataset.url,
  deepLinking: true,
  validatorUrl: null,
  syntaxHighlight: { activated: true, theme: "agate" },
});
