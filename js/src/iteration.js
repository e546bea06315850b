// What every async iterator has, for await and disposal among it.
const AsyncIterator = Object.getPrototypeOf(Object.getPrototypeOf(async function* none() {}).prototype);

// The reason with which what is waited for is given up.
const STOPPED = Symbol('stopped');

const done = (value) => ({ done: true, value });

/**
 * Iteration is an async generator whose return ends a next that is pending. One that
 * the language makes lets it wait, and what comes then is lost.
 */
class Iteration {
  #stop = new AbortController();
  #parts;
  #unfollow = () => {};

  constructor(make, signal) {
    const follow = () => this.#stop.abort(signal.reason);
    this.#parts = make(this.#stop.signal);
    if (signal?.aborted) {
      follow();
    } else if (signal) {
      signal.addEventListener('abort', follow, { once: true });
      this.#unfollow = () => signal.removeEventListener('abort', follow);
    }
  }

  async next() {
    let result;
    try {
      result = await this.#parts.next();
    } catch (error) {
      this.#unfollow();
      if (error === STOPPED) {
        return done();
      }
      throw error;
    }
    if (result.done) {
      this.#unfollow();
    }
    return result.value?.error === STOPPED ? done() : result;
  }

  async return(value) {
    await this.#end();
    return done(value);
  }

  async throw(error) {
    await this.#end();
    throw error;
  }

  async #end() {
    this.#unfollow();
    this.#stop.abort(STOPPED);
    await this.#parts.return();
  }
}

Object.setPrototypeOf(Iteration.prototype, AsyncIterator);

/**
 * iterate is the generator that make makes, which is given a signal: it is aborted as
 * the caller's is, or when nobody takes any more.
 */
export function iterate(make, signal) {
  return new Iteration(make, signal);
}
