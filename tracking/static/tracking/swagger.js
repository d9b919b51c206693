// Shows the API's description. The key that is typed in stays in this page.
const place = document.getElementById("swagger");
SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tagsSorter: "alpha",
  validatorUrl: null,
});
