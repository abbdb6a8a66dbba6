// Programs that were written for BinderHub, unmodified, on a page of another origin: each drives a build, starts a session and runs
// code in it. Told by its environment: BINDERY, REPOSITORY, and what browser.mjs is told.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { openBrowser, PATIENCE, visitor } from "./browser.mjs";

const { BINDERY, REPOSITORY } = process.env;
// Its bundle is whole; what it names as dependencies is not needed to run it, and is a hundred times as large.
const THEBE = {
  name: "thebe-core@0.5.0",
  sha512: "LIAbySgyoH8PPojNOwTwnjHta332CXtqVMPtgC3wBuIkHkgQpJYZUkWGvZR+T6pkgmjIei/WkKMFtV1jstXwWA==",
};

const scratch = await mkdtemp(join(tmpdir(), "bindery-clients-"));

async function thebe() {
  const npm = (...words) => execFileSync("npm", words, { cwd: scratch, encoding: "utf8", timeout: PATIENCE });
  const file = join(scratch, npm("pack", "--silent", THEBE.name).trim());
  assert.equal(createHash("sha512").update(await readFile(file)).digest("base64"), THEBE.sha512, "another archive than expected");
  execFileSync("tar", ["-xzf", file, "-C", scratch]);
  return join(scratch, "package/dist/lib");
}

// The part of each client that a page has to write itself.
const PAGE = `
import { BinderRepository as Four } from "binderhub-client-4";
import { BinderRepository as Five } from "binderhub-client-5/client.js";

async function untilReady(repository) {
  const phases = [];
  for await (const event of repository.fetch()) {
    if (phases.at(-1) !== event.phase) phases.push(event.phase);
    if (event.phase === "failed") throw new Error(event.message);
    if (event.phase === "ready") {
      repository.close();
      return { event, phases };
    }
  }
  throw new Error("the stream ended: " + phases);
}

// A kernel of the session's, through the messages every notebook client sends.
async function run({ url, token }, code) {
  const headers = { authorization: "token " + token, "content-type": "application/json" };
  const answer = await fetch(url + "api/kernels", { method: "POST", headers, body: "{}" });
  if (!answer.ok) throw new Error("no kernel: " + answer.status);
  const { id } = await answer.json();
  const socket = new WebSocket(url.replace(/^http/, "ws") + "api/kernels/" + id + "/channels?token=" + token);
  const header = { msg_id: crypto.randomUUID(), username: "", session: crypto.randomUUID(), msg_type: "execute_request", version: "5.3" };
  const content = { code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false };
  return new Promise((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify({ header, parent_header: {}, metadata: {}, content, channel: "shell", buffers: [] }));
    socket.onerror = () => reject(new Error("the kernel's socket failed"));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.parent_header.msg_id === header.msg_id && message.msg_type === "stream") resolve(message.content.text);
    };
  });
}

const spec = (repository) => "git/" + encodeURIComponent(repository) + "/main";
window.client4 = async (bindery, repository, code) => {
  const { event, phases } = await untilReady(new Four(spec(repository), new URL(bindery + "build/")));
  return { phases, event, out: await run(event, code) };
};
window.client5 = async (bindery, repository, code) => {
  // As a page inside a JupyterHub would: the header makes the browser ask first.
  document.cookie = "_xsrf=abc";
  const { event, phases } = await untilReady(new Five(spec(repository), new URL(bindery + "build/")));
  return { phases, event, out: await run(event, code) };
};
window.thebe = async (bindery, repository, code) => {
  const { api } = window.thebeCore;
  const options = {
    useBinder: true,
    binderOptions: { binderUrl: bindery.replace(/[/]$/, ""), repo: repository, ref: "main", repoProvider: "git" },
    savedSessionOptions: { enabled: true },
    kernelOptions: { kernelName: "python3" },
  };
  const config = api.makeConfiguration(options);
  const server = api.connectToBinder(config);
  await server.ready;
  const session = await server.startNewSession(api.makeRenderMimeRegistry());
  const notebook = api.setupNotebookFromBlocks([{ id: "a", source: code }], config, api.makeRenderMimeRegistry());
  notebook.attachSession(session);
  await notebook.executeAll();
  const [cell] = notebook.cells;
  return { out: cell.outputs.map((output) => output.text).join("") };
};
window.isThere = true;
`;

async function site(lib) {
  const bundle = await build({
    stdin: { contents: PAGE, resolveDir: import.meta.dirname }, bundle: true, format: "iife", write: false, logLevel: "error",
  });
  const files = new Map([["/", "<!doctype html><meta charset=utf-8><script src=thebe-core.min.js></script><script src=page.js></script>"]]);
  files.set("/page.js", bundle.outputFiles[0].text);
  for (const name of await readdir(lib)) if (name.endsWith(".js")) files.set(`/${name}`, await readFile(join(lib, name)));
  const server = createServer((request, answer) => {
    const file = files.get(new URL(request.url, "http://x").pathname);
    answer.writeHead(file ? 200 : 404, { "content-type": request.url === "/" ? "text/html" : "text/javascript" }).end(file ?? "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const server = await site(await thebe());
const browser = await openBrowser();
const context = await visitor(browser);
try {
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && console.error(message.text()));
  page.on("pageerror", (error) => console.error(`uncaught: ${error.message}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForFunction(() => window.isThere && window.thebeCore);
  for (const client of ["client4", "client5", "thebe"]) {
    const result = await Promise.race([
      page.evaluate(([name, ...words]) => window[name](...words), [client, BINDERY, REPOSITORY, "print('answer', 6 * 7)"]),
      new Promise((_, reject) => setTimeout(() => reject(new Error(`${client} did not end`)), PATIENCE).unref()),
    ]);
    assert.match(result.out, /answer 42/, client);
    if (result.phases) {
      assert.equal(result.phases.at(-1), "ready", `${client}: ${result.phases}`);
      assert.ok(!result.phases.includes("failed"), `${client}: ${result.phases}`);
      assert.ok(result.event.url.endsWith("/") && result.event.image && result.event.binder_persistent_request, client);
    }
    console.log(`${client}: ${result.phases ?? ""} ${result.out.trim()}`);
  }
} finally {
  await browser.close();
  server.close();
  await rm(scratch, { recursive: true, force: true });
}
