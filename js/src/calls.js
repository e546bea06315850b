import { ConnectionError, refusalIn } from './errors.js';
import { First } from './first.js';

/** On so many connections a call is tried. Where each is lost before the answer, it may be because of the call. */
export const MAX_TRIES = 3;

/**
 * Calls are operations without a membership. One whose connection is lost before the answer is
 * repeated on the next, with a ref by which it is later: the hub knows it by the instance.
 */
export class Calls {
  // Those that wait for an answer.
  #waiting = [];
  // Those whose callers have given up, by the ref of the answer that is still to come:
  // what they have entered is left then.
  #undoing = new Map();
  // The refs of resumes on the present connection whose callers have given up.
  #forsaken = new Set();
  // The call that goes along with the handshake that is under way.
  #first = null;
  // What waits for the answer to the call that has gone along with the present connection,
  // or null.
  #awaited = null;
  // An answer to such a call did not come: none goes along any more.
  #plain = false;
  #session;

  /**
   * @param {{push: (frame: object) => void, nextRef: () => number, letGo: () => void, ended: () => Promise<void>,
   *   progress: () => void, tryAnew: (wanted: boolean) => void, isIn: (channel: string) => boolean,
   *   undo: (channel: string, promise: Promise<void>) => void,
   *   settled: (call: object, frame: object) => Error | undefined}} session
   *   letGo ends the connection, tryAnew too where something is wanted of the next one or
   *   nothing of this one, and ended resolves when it has ended; progress is told when something
   *   that was under way is over; settled is told of an
   *   answer that is no refusal, and returns what is wrong with it
   */
  constructor(session) {
    this.#session = session;
  }

  get size() {
    return this.#waiting.length;
  }

  /** entering are the channels that calls are on their way into, or out of again. */
  get entering() {
    const all = [...this.#waiting.filter(({ enters }) => enters).map(({ frame }) => frame), ...this.#undoing.values()];
    return [...new Set(all.map(({ channel }) => channel))];
  }

  /** repeated are the calls that enter something and are about to be made once more. */
  get repeated() {
    return this.#waiting.filter(({ enters, tries }) => enters && tries > 0);
  }

  /**
   * begin makes a call of a frame, and resolves with the answer.
   *
   * @param {object} frame
   * @param {{signal?: AbortSignal, enters?: object, open: boolean, abandoned: () => void}} how
   *   enters is the membership that an answer makes; open: it can be written now;
   *   abandoned is called when its caller has given up
   */
  begin(frame, { signal, enters, open, abandoned }) {
    return new Promise((resolve, reject) => {
      // tries are the connections that it was written on, or offered to.
      const call = { frame: { ...frame, ref: this.#session.nextRef() }, enters, written: false, tries: 0 };
      const abort = () => {
        this.#remove(call);
        this.#giveUp(call);
        abandoned();
        reject(signal.reason);
      };
      call.settle = (answer, error) => {
        signal?.removeEventListener('abort', abort);
        if (error) {
          reject(error);
        } else {
          resolve(answer);
        }
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(call);
      if (open) {
        this.#write(call);
      }
    });
  }

  /**
   * first is the frame that a new connection begins with, or null. A secret does not go along,
   * nor a token unless that is asked for.
   */
  first({ withToken = false }) {
    const [call] = this.#waiting;
    const fits = call && !this.#plain && call.frame.type !== 'resume' && (withToken || !call.frame.token);
    this.#first = fits ? call : null;
    if (fits && call.tries++ > 0) {
      call.frame.ref = this.#session.nextRef();
    }
    return this.#first?.frame ?? null;
  }

  /** connected writes what has waited for a connection, but for what has been sent along with its making. */
  connected(sent) {
    const first = this.#first;
    this.#first = null;
    if (first && sent) {
      this.#awaitAnswer(first);
    } else if (first) {
      this.#undone(first.frame.ref);
    }
    for (const call of this.#waiting) {
      if (call !== first) {
        call.frame.ref = this.#session.nextRef();
        this.#write(call);
        continue;
      }
      call.written = true;
      if (!sent) {
        // It may have come to the hub all the same, by a proxy that does not say so: it has
        // to be the same frame then.
        this.#session.push(call.frame);
      }
    }
  }

  /**
   * lost is told that the connection has ended.
   *
   * @param {string} reason
   * @param {{all: boolean, answered: boolean, blamed: boolean}} how all: those too that were
   *   not written; answered: the hub has answered all that it has carried out, so that the
   *   others can be asked again; blamed: it may be because of one of them, so that none is
   */
  lost(reason, { all, answered, blamed }) {
    this.#first = null;
    this.#awaited?.stop();
    this.#awaited = null;
    this.#forsaken.clear();
    [...this.#undoing.keys()].forEach((ref) => this.#undone(ref));
    this.#waiting.forEach((call) => {
      if (answered || (!blamed && call.tries < MAX_TRIES)) {
        call.written = false;
      }
    });
    this.fail(reason, (call) => all || call.written);
  }

  /** giveUp ends all calls with the error. What they may have entered is left when that is known. */
  giveUp(error) {
    for (const call of this.#waiting.splice(0)) {
      this.#giveUp(call);
      call.settle(undefined, error);
    }
  }

  fail(reason, given = () => true) {
    const failed = this.#waiting.filter(given);
    this.#waiting = this.#waiting.filter((call) => !failed.includes(call));
    for (const call of failed) {
      call.settle(undefined, new ConnectionError(`no answer to ${call.frame.type}: ${reason}`));
    }
  }

  /** answer gives a frame to the call that it answers, and reports whether there is one. */
  answer(frame) {
    if (this.#awaited?.takes(frame)) {
      return true;
    }
    const call = this.#waiting.find((each) => each.frame.ref === frame.ref);
    if (call) {
      this.#remove(call);
      call.settle(frame, refusalIn(frame) ?? this.#session.settled(call, frame));
      return true;
    }
    if (this.#undoing.has(frame.ref)) {
      this.#leave(frame);
      return true;
    }
    if (this.#forsaken.delete(frame.ref)) {
      this.#session.letGo();
      return true;
    }
    return false;
  }

  #write(call) {
    call.written = true;
    call.tries++;
    this.#session.push(call.frame);
  }

  // The answer has to come within some time, or is asked for again, plainly.
  #awaitAnswer(call) {
    const { frame: { ref, channel }, enters } = call;
    this.#awaited = new First(ref, {
      leave: () => {
        this.#plain = true;
        if (!enters || this.#session.isIn(channel)) {
          return 0;
        }
        const leaving = this.#session.nextRef();
        this.#session.push({ type: 'leave', ref: leaving, channel });
        return leaving;
      },
      lost: () => {
        this.#awaited = null;
        this.#undone(ref);
        const wanted = this.#waiting.includes(call);
        if (wanted) {
          call.written = false;
        }
        this.#session.tryAnew(wanted);
      },
    });
  }

  #remove(call) {
    this.#waiting = this.#waiting.filter((other) => other !== call);
  }

  // What may be carried out although nobody waits for it any more is undone. Others enter
  // the same channel after that.
  #giveUp(call) {
    const { frame: { type, ref, channel }, enters, written } = call;
    if (!enters || !(written || call === this.#first)) {
      return;
    }
    if (type !== 'resume') {
      this.#session.undo(channel, new Promise((undone) => {
        this.#undoing.set(ref, { channel, undone });
      }));
      return;
    }
    this.#session.undo(channel, this.#session.ended());
    this.#forsaken.add(ref);
  }

  // Its answer is here: what it has entered is left, and undone when the hub says so.
  #leave({ type, ref, channel }) {
    if (type !== 'created' && type !== 'joined') {
      this.#undone(ref);
      return;
    }
    const leaving = this.#session.nextRef();
    this.#undoing.set(leaving, this.#undoing.get(ref));
    this.#undoing.delete(ref);
    this.#session.push({ type: 'leave', ref: leaving, channel });
  }

  #undone(ref) {
    this.#undoing.get(ref)?.undone();
    this.#undoing.delete(ref);
    this.#session.progress();
  }
}
