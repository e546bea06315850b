import { once } from 'node:events';
import { createServer, request } from 'node:http';

/**
 * What proxies that let no WebSocket through do with the request for one: they say no, they say
 * nothing, they end its connection, or they let it be established and cut it.
 */
export const blocks = {
  refuses: (socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
  swallows: () => {},
  drops: (socket) => socket.destroy(),
  // Behind the first bytes that a client sends on it, which ask whether it works.
  cuts: (socket, through) => through((far) => {
    far.pipe(socket);
    socket.once('data', () => {
      socket.destroy();
      far.destroy();
    });
  }),
};

/** Proxy passes requests on, and does with those for a WebSocket what its block says. */
export class Proxy {
  #server;
  #sockets = new Set();
  #tried;

  /** tried resolves when a client has asked for a WebSocket. */
  tried = new Promise((resolve) => {
    this.#tried = resolve;
  });

  static async to(t, url, block) {
    const proxy = new Proxy();
    const pass = (from, answered) => {
      const to = request(new URL(from.url, url), { method: from.method, headers: from.headers, agent: false });
      to.on('error', () => from.socket.destroy());
      answered(to);
      from.pipe(to);
      from.on('close', () => from.complete || to.destroy());
      return to;
    };
    proxy.#server = createServer((from, answer) => {
      const to = pass(from, (passed) => passed.on('response', (response) => {
        answer.writeHead(response.statusCode, response.headers);
        response.pipe(answer);
      }));
      answer.on('close', () => to.destroy());
    });
    proxy.#server.on('connection', (socket) => {
      proxy.#sockets.add(socket);
      socket.on('close', () => proxy.#sockets.delete(socket));
    });
    proxy.#server.on('upgrade', (from, socket) => {
      socket.on('error', () => {});
      proxy.#tried();
      block(socket, (established) => pass(from, (to) => to.on('upgrade', (response, far) => {
        far.on('error', () => {});
        const head = [`HTTP/1.1 101 ${response.statusMessage}`];
        for (let i = 0; i < response.rawHeaders.length; i += 2) {
          head.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`);
        }
        socket.write(`${head.join('\r\n')}\r\n\r\n`);
        established(far);
      })));
    });
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    t.after(() => proxy.#close());
    return proxy;
  }

  #close() {
    this.#sockets.forEach((socket) => socket.destroy());
    this.#server.close();
  }
}
