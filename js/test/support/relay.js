import { createServer, connect } from 'node:net';
import { once } from 'node:events';

// A socket whose end is on its way is not reset: Node's handle of one may never be
// closed then, and its process never ends.
function reset(socket) {
  if (socket.writableEnded) {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
}

/** Relay is a network between a client and its hub that can be cut, barred and stalled. */
export class Relay {
  #server;
  #pairs = new Set();
  #barred = false;
  #stalled = false;
  #lost = { up: false, down: false };
  #waiting = [];

  static async to(url) {
    const relay = new Relay();
    const hub = new URL(url);
    relay.#server = createServer((near) => relay.#accept(near, hub));
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    relay.port = relay.#server.address().port;
    relay.url = `ws://127.0.0.1:${relay.port}${hub.pathname}`;
    return relay;
  }

  #accept(near, hub) {
    near.on('error', () => {});
    this.#waiting.splice(0).forEach((resolve) => resolve());
    if (this.#barred) {
      reset(near);
      return;
    }
    const far = connect(Number(hub.port), hub.hostname);
    far.on('error', () => {});
    const pair = { near, far, upgraded: false, stranded: false };
    near.once('data', (data) => {
      pair.upgraded = /^upgrade: websocket/im.test(data);
    });
    this.#pairs.add(pair);
    for (const [from, to, way] of [[near, far, 'up'], [far, near, 'down']]) {
      from.on('data', (data) => this.#lost[way] || to.write(data));
      from.on('close', () => {
        if (to.destroyed) {
          this.#pairs.delete(pair);
        } else if (!this.#stalled && !pair.stranded) {
          // Where nothing comes through, the other side does not learn of it.
          to.destroySoon();
        }
      });
      if (this.#stalled) {
        from.pause();
      }
    }
  }

  /** attempt resolves when the next connection is attempted. */
  attempt() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** cut resets the connections that there are. */
  cut() {
    for (const { near, far } of this.#pairs) {
      reset(near);
      reset(far);
    }
  }

  /** bar cuts, and refuses whatever comes, until it is told otherwise. */
  bar(barred = true) {
    this.#barred = barred;
    if (barred) {
      this.cut();
    }
  }

  /** stall lets nothing through, and says nothing, until it is told otherwise. */
  stall(stalled = true) {
    this.#stalled = stalled;
    for (const { near, far } of this.#pairs) {
      for (const socket of [near, far]) {
        if (stalled) {
          socket.pause();
        } else {
          socket.resume();
        }
      }
    }
  }

  /**
   * strand lets nothing through on the WebSockets that there are, and says nothing. What it returns
   * resets these. Others pass.
   */
  strand() {
    const stranded = [...this.#pairs].filter(({ upgraded }) => upgraded);
    for (const pair of stranded) {
      pair.stranded = true;
      pair.near.pause();
      pair.far.pause();
    }
    return () => stranded.forEach(({ near, far }) => {
      reset(near);
      reset(far);
    });
  }

  /** lose takes what comes on one way, up or down, and passes nothing on, until it is told otherwise. */
  lose(way, lost = true) {
    this.#lost[way] = lost;
  }

  close() {
    this.cut();
    this.#server.close();
  }
}
