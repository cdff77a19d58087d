/**
 * A static file server on localhost, where browsers allow WebGPU without https.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

/** @type {Record<string, string>} */
const types = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
};

/**
 * Serves a folder; a path that ends in `/` is its `index.html`.
 *
 * @param {string} folder
 * @param {number} [port]  0, the default, takes any free port
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} url without a final slash
 */
export async function serve(folder, port = 0) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = join(folder, normalize(decodeURIComponent(pathname)));
    const found = await stat(path).catch(() => null);
    if (found?.isDirectory() && !pathname.endsWith("/")) {
      response.writeHead(302, { location: `${pathname}/` }).end();
      return;
    }
    const file = found?.isDirectory() ? join(path, "index.html") : path;
    if (!(await stat(file).catch(() => null))?.isFile()) {
      response.writeHead(404, { "content-type": "text/plain" }).end(`${pathname}: no such file`);
      return;
    }
    response.writeHead(200, {
      "content-type": types[extname(file)] ?? "application/octet-stream",
      "cache-control": "no-store",
    });
    createReadStream(file).pipe(response);
  });
  await new Promise((listening, failed) => {
    server.once("error", failed);
    server.listen(port, "127.0.0.1", () => listening(undefined));
  });
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://localhost:${address.port}`,
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections();
        server.close(() => closed());
      }),
  };
}
