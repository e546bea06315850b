import { base64 } from './bytes.js';
import { Limit, Retries, refusalIn } from './requests.js';

// The most characters of a body that has more than one message.
const MAX_BODY = 64 << 10;

// The most that a browser sends of a page that is gone.
const MAX_FAREWELL = 60_000;

/**
 * Posts sends messages, by numbered POSTs, one at a time. What comes while one is under way goes along with the next one. One
 * whose answer is lost is repeated with its number, by which it has its effect once.
 */
export class Posts {
  #requests;
  #patience;
  #life;
  #retries;
  #told;
  #number = 0;
  // The lines of the next ones, and their messages' sizes.
  #lines = [];
  // What is under way, or null.
  #current = null;
  #waiting = 0;
  #closing = false;
  // A POST is to be made, though there may be no message.
  #due = false;
  #running = false;

  /**
   * @param {Requests} requests
   * @param {number} patience how long an answer may take before the POST is repeated, in milliseconds
   * @param {AbortSignal} life the connection's
   * @param {{heard: () => void, sent: () => void, ended: (how: {number: number, reason: string}) => void}} told sent: all that
   *   there was has been taken
   */
  constructor(requests, patience, life, told) {
    this.#requests = requests;
    this.#patience = patience;
    this.#life = life;
    this.#retries = new Retries(life);
    this.#told = told;
  }

  /** waiting is how many bytes of messages the hub has not taken, as far as that is known. */
  get waiting() {
    return this.#waiting;
  }

  /** busy: one is under way. */
  get busy() {
    return this.#running;
  }

  /** add sends a message. */
  add(bytes) {
    this.#waiting += bytes.length;
    this.#lines.push({ line: `=${base64(bytes)}\n`, size: bytes.length });
    this.#start();
  }

  /** sign sends a sign of life, which says what has arrived. */
  sign() {
    this.#due = true;
    this.#start();
  }

  /** close ends the connection behind all that was sent. */
  close(number, reason) {
    this.#end(number, reason);
    this.#start();
  }

  /**
   * farewell ends the connection at once, when nothing of it goes on: it is tried, also where the page is about to go. What is
   * under way is made anew, since its request ends with the page.
   */
  farewell(number, reason) {
    const unanswered = this.#current;
    this.#end(number, reason);
    const say = (post) => this.#requests.make('send', { ...post, keepalive: post.body.length <= MAX_FAREWELL });
    const first = unanswered && say(unanswered).catch(() => {});
    if (this.#lines.length === 0) {
      return; // the end is in what is under way
    }
    const last = { number: this.#number + 1, body: this.#lines.map(({ line }) => line).join('') };
    say(last).then(async ({ status }) => {
      if (status === 409 && first) {
        await first;
        await say(last); // it has come before the other one
      }
    }).catch(() => {});
  }

  #end(number, reason) {
    if (!this.#closing) {
      this.#closing = true;
      this.#lines.push({ line: `!${JSON.stringify({ code: number, reason })}\n`, size: 0 });
    }
  }

  #start() {
    if (!this.#running) {
      this.#running = true;
      // What else is sent in this turn goes along.
      queueMicrotask(() => this.#run());
    }
  }

  async #run() {
    while (!this.#life.aborted && (this.#lines.length > 0 || this.#due)) {
      const post = this.#next();
      this.#current = post;
      if (!await this.#deliver(post)) {
        return;
      }
      this.#current = null;
      this.#waiting -= post.size;
      this.#retries.worked();
      this.#told.heard();
    }
    this.#running = false;
    this.#told.sent();
  }

  #next() {
    let count = 0;
    let characters = 0;
    for (const { line } of this.#lines) {
      if (count > 0 && characters + line.length > MAX_BODY) {
        break;
      }
      count++;
      characters += line.length;
    }
    this.#due = false;
    const taken = this.#lines.splice(0, count);
    return {
      number: ++this.#number,
      body: taken.map(({ line }) => line).join(''),
      size: taken.reduce((sum, { size }) => sum + size, 0),
    };
  }

  // deliver reports whether the hub has taken it. Else the connection is over.
  async #deliver({ number, body }) {
    for (;;) {
      const limit = new Limit(this.#life, this.#patience);
      try {
        const response = await this.#requests.make('send', { number, body, signal: limit.signal });
        if (response.status === 204) {
          return true;
        }
        const end = await refusalIn(response);
        if (end) {
          this.#told.ended(end);
          return false;
        }
      } catch {
        // The answer is lost, or the request.
      } finally {
        limit.stop();
      }
      if (!limit.expired && !await this.#retries.pause()) {
        this.#told.ended({ number: 0, reason: 'the hub cannot be reached' });
        return false;
      }
    }
  }
}
