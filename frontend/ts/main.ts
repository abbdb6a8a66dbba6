/** The one script of all pages: registers the elements, and starts the loading page where there is one. */

import "../styles/app.css";
import { BuildProgress } from "./build-progress";
import { listenForCopies } from "./copy";
import { EnvironmentPanel } from "./environment-panel";
import { LinkBuilder } from "./link-builder";
import { startLoading } from "./loading";
import { LogView } from "./log-view";
import { NotebookPreview } from "./notebook-preview";
import { pageConfig } from "./page-config";
import { RepoForm } from "./repo-form";

customElements.define("build-progress", BuildProgress);
customElements.define("log-view", LogView);
customElements.define("environment-panel", EnvironmentPanel);
customElements.define("notebook-preview", NotebookPreview);
// The builder listens before the form first speaks.
customElements.define("link-builder", LinkBuilder);
customElements.define("repo-form", RepoForm);

listenForCopies(document);
const stream = startLoading(document, pageConfig());
addEventListener("pagehide", () => stream?.close());
// A page taken from the history has a closed stream; what it showed may be long over.
addEventListener("pageshow", (event) => {
  if (event.persisted && stream) location.reload();
});
