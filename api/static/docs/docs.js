"use strict";

// Everything comes from this server: no validator badge, no fonts, no other origin.
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "v1/openapi.json",
  validatorUrl: null,
  deepLinking: true,
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
});
