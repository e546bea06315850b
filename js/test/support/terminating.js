import { once } from 'node:events';

import Other, { WebSocketServer } from 'ws';

/**
 * Terminating is a proxy that ends WebSocket itself, as those that are built on the package
 * ws do: it offers the hub what was offered to it, and chooses the first of that.
 */
export class Terminating {
  #server;

  static async to(url) {
    const proxy = new Terminating();
    proxy.#server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(proxy.#server, 'listening');
    proxy.url = `ws://127.0.0.1:${proxy.#server.address().port}/ws`;
    proxy.connections = 0;
    proxy.#server.on('connection', (near, request) => {
      proxy.connections++;
      const offered = request.headers['sec-websocket-protocol'].split(',').map((each) => each.trim());
      const far = new Other(url, offered);
      const early = [];
      near.on('message', (data) => (far.readyState === Other.OPEN ? far.send(data) : early.push(data)));
      far.on('open', () => early.forEach((data) => far.send(data)));
      far.on('message', (data) => near.send(data));
      for (const [from, to] of [[near, far], [far, near]]) {
        from.on('error', () => {});
        from.on('close', (code, reason) => (code === 1005 || code === 1006 ? to.terminate() : to.close(code, reason)));
      }
    });
    return proxy;
  }

  close() {
    this.#server.clients.forEach((socket) => socket.terminate());
    this.#server.close();
  }
}
