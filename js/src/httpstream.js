import { Posts } from './posts.js';
import { Receiving } from './receiving.js';
import { Remembered } from './remembered.js';
import { Requests, refusalIn } from './requests.js';

// What a hub says of its times, in milliseconds, where it says nothing that can be used.
const PROBE = 10_000;
const GIVE_UP = 5000;

// How long the last events of a hub that has closed the connection are waited for, in milliseconds.
const LAST_EVENTS = 1000;

const timeOf = (value, otherwise) => (Number.isFinite(value) && value > 0 ? value : otherwise);

/**
 * HTTPStream is the carrier, as carrier.js says what that is, over plain HTTP: for where something on the way lets no
 * WebSocket through. PROTOCOL.md describes it.
 */
export class HTTPStream {
  #state = 'connecting';
  #life = new AbortController();
  #requests;
  #remembered;
  #told;
  #posts = null;
  // How this side has ended it.
  #leaves = null;
  #ending;

  constructor(url, options, told) {
    this.#told = told;
    this.#requests = new Requests(url, options);
    this.#remembered = new Remembered(url);
    this.#connect();
  }

  get connecting() {
    return this.#state === 'connecting';
  }

  get open() {
    return this.#state === 'open';
  }

  get waiting() {
    return this.#posts?.waiting ?? 0;
  }

  send(bytes) {
    this.#posts.add(bytes);
  }

  close(number, reason) {
    if (this.open) {
      this.#state = 'closing';
      this.#leaves = { number, reason };
      this.#posts.close(number, reason);
    }
  }

  abandon(number, reason) {
    if (this.#state !== 'over') {
      const knows = this.#ending !== undefined; // the hub has closed it
      this.#over();
      if (!knows) {
        this.#posts?.farewell(number, reason);
      }
    }
  }

  async #connect() {
    const { how, connection, probe, giveUp } = await this.#opening().catch((error) => (
      { how: { number: 0, reason: `could not connect: ${error.message}` } }));
    if (how) {
      this.#end(how);
      return;
    }
    this.#requests.connection = connection;
    this.#begin(timeOf(probe, PROBE) + timeOf(giveUp, GIVE_UP));
  }

  async #opening() {
    const response = await this.#requests.make('open', { body: '', signal: this.#life.signal });
    if (!response.ok) {
      return { how: await refusalIn(response) ?? { number: 0, reason: `answered by ${response.status}` } };
    }
    const { connection, probe_ms: probe, give_up_ms: giveUp } = await response.json();
    if (typeof connection !== 'string' || connection === '') {
      throw new TypeError('what answers is no hub');
    }
    return { connection, probe, giveUp };
  }

  // patience is how long anything of the connection may take.
  #begin(patience) {
    if (this.#state === 'over') {
      return;
    }
    this.#state = 'open';
    const { signal } = this.#life;
    const heard = () => this.#state !== 'over' && this.#told.heard();
    const ended = (how) => this.#end(how);
    this.#posts = new Posts(this.#requests, patience, signal, {
      heard,
      sent: () => this.#leaves && this.#end(this.#leaves),
      ended: (how) => this.#refused(how),
    });
    const receiving = new Receiving(this.#requests, patience, signal, this.#remembered, {
      heard,
      message: (bytes) => this.#state !== 'over' && this.#told.message(bytes),
      asked: () => this.#posts.sign(),
      much: () => this.#posts.busy || this.#posts.sign(),
      ended,
    });
    this.#told.opened(false);
    receiving.run();
  }

  // A POST was refused. What the hub has said before it has closed the connection is still to be had.
  #refused(how) {
    if (how.number === 0) {
      this.#end(how);
    } else if (this.#state !== 'over') {
      this.#state = 'closing';
      this.#ending = setTimeout(() => this.#end(how), LAST_EVENTS);
    }
  }

  #over() {
    this.#state = 'over';
    clearTimeout(this.#ending);
    this.#life.abort();
  }

  #end(how) {
    if (this.#state !== 'over') {
      this.#over();
      this.#told.closed(how);
    }
  }
}
