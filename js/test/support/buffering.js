import { createServer, request as ask } from 'node:http';
import { once } from 'node:events';
import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';

/**
 * Buffering is a proxy that lets no WebSocket through, and passes an answer on when that is complete, or compressed as far as
 * the compression brings it.
 */
export class Buffering {
  #server;

  static async to(url, { compresses = false } = {}) {
    const proxy = new Buffering();
    const { hostname, port } = new URL(url);
    proxy.paths = [];
    proxy.#server = createServer((near, answer) => {
      proxy.paths.push(near.url.split('/').at(-1));
      const { method, url: path, headers } = near;
      const far = ask({ hostname, port, method, path, headers }, (response) => {
        const { 'transfer-encoding': chunked, 'content-length': length, ...rest } = response.headers;
        if (compresses && response.statusCode === 200) {
          answer.writeHead(200, { ...rest, 'Content-Encoding': 'gzip' });
          pipeline(response, createGzip(), answer, () => {});
          return;
        }
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', () => answer.destroy());
        response.on('end', () => {
          answer.writeHead(response.statusCode, rest);
          answer.end(Buffer.concat(chunks));
        });
      });
      far.on('error', () => answer.destroy());
      answer.on('close', () => far.destroy());
      near.pipe(far);
    });
    proxy.#server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.url = `ws://127.0.0.1:${proxy.#server.address().port}/ws`;
    return proxy;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
