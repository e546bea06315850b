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

const FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';

/** Relay is a network between a client and its hub that can be cut, barred and stalled, and that may let no WebSocket through. */
export class Relay {
  #server;
  #pairs = new Set();
  #barred = false;
  #stalled = false;
  #lost = { up: false, down: false };
  #sockets = { how: 'passed' };
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
    const pair = { near, far, upgraded: false, stranded: false, swallowed: false };
    near.once('data', (data) => {
      pair.upgraded = /^upgrade: websocket/im.test(data);
      if (pair.upgraded) {
        this.#upgrade(pair);
      }
    });
    this.#pairs.add(pair);
    for (const [from, to, way] of [[near, far, 'up'], [far, near, 'down']]) {
      from.on('data', (data) => this.#lost[way] || pair.swallowed || to.write(data));
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

  #upgrade(pair) {
    const { near, far } = pair;
    const { how, after } = this.#sockets;
    pair.swallowed = how === 'refused' || how === 'unanswered';
    if (how === 'refused') {
      near.end(FORBIDDEN);
    } else if (how === 'cut') {
      // From the answer to the handshake on.
      far.once('data', () => {
        const timer = setTimeout(() => [near, far].forEach(reset), after);
        near.once('close', () => clearTimeout(timer));
      });
    }
  }

  /**
   * webSockets says what becomes of those that come from now on: they are passed, refused, unanswered, or cut so many milliseconds
   * after they were answered. Everything else passes.
   */
  webSockets(how, after = 0) {
    this.#sockets = { how, after };
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
