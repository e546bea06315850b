import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/**
 * Network is between clients and their hub, and can be cut and frozen. As it then is it is for connections that
 * come too, since one that polls may have none at the moment, until it is mended.
 */
export class Network {
  #server;
  #pairs = new Set();
  #state = 'sound';

  static async to(t, url) {
    const network = new Network();
    const hub = new URL(url);
    network.#server = createServer((near) => network.#accept(near, hub));
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    network.url = `http://127.0.0.1:${network.#server.address().port}`;
    t.after(() => network.#close());
    return network;
  }

  #accept(near, hub) {
    if (this.#state === 'cut') {
      near.destroy();
      return;
    }
    const far = connect(Number(hub.port), hub.hostname);
    const pair = { near, far, frozen: false };
    this.#pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('error', () => {});
      from.on('close', () => {
        if (to.destroyed) {
          this.#pairs.delete(pair);
        } else if (!pair.frozen) {
          to.destroySoon();
        }
      });
      from.pipe(to);
    }
    if (this.#state === 'frozen') {
      freeze(pair);
    }
  }

  /** cut ends all connections. */
  cut() {
    this.#state = 'cut';
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  /** freeze lets nothing through, either way, and says nothing. */
  freeze() {
    this.#state = 'frozen';
    this.#pairs.forEach(freeze);
  }

  /** mend lets connections through that come from now on. */
  mend() {
    this.#state = 'sound';
  }

  #close() {
    this.cut();
    this.#server.close();
  }
}

function freeze(pair) {
  pair.frozen = true;
  for (const socket of [pair.near, pair.far]) {
    socket.unpipe();
    socket.pause();
  }
}
