// The page that describes the machines' interface, from our own files.
window.SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "/schema/openapi.json",
  deepLinking: true,
  validatorUrl: null,
});
