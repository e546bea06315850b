import { Code, ConnectionError, refusalIn } from './errors.js';
import { First } from './first.js';
import { answerOf } from './waiting.js';

/** On so many connections a call is tried. Where each is lost before the answer, it may be because of the call. */
export const MAX_TRIES = 3;

// A join that was told to wait outlasts whatever time no hub can be reached: how long that may take is for its caller
// to say, by the signal.
const isPatient = ({ enters }) => Boolean(enters?.waiting.told);

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
  // Resumes whose callers have given up, by the ref of the answer: the connections that they are on.
  #forsaken = new Map();
  // The call that goes along with the handshake that is under way.
  #first = null;
  // What waits for the answer to the call that has gone along with the present connection,
  // or null.
  #awaited = null;
  // An answer to such a call did not come: none goes along any more.
  #plain = false;
  #session;

  /**
   * @param {{addresses: number, nextRef: () => number, letGo: (connection: Connection) => void,
   *   progress: () => void, tryAnew: (connection: Connection, wanted: boolean) => void,
   *   isIn: (channel: string) => boolean, holds: (connection: Connection) => boolean,
   *   undo: (channel: string, promise: Promise<void>) => void,
   *   settled: (call: object, frame: object) => Error | undefined,
   *   again: (call: object, connection: Connection) => void}} session
   *   letGo ends the connection, tryAnew too where something is wanted of the next one or
   *   nothing of this one; progress is told when something
   *   that was under way is over; settled is told of an
   *   answer that is no refusal, and returns what is wrong with it; again is told of a call that the
   *   hub of that connection has refused, and another one may not
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
   * @param {{signal?: AbortSignal, enters?: object, connection: Connection | null, abandoned: () => void}} how
   *   enters is the membership that an answer makes; connection is the one on which it can be written
   *   now; abandoned is called when its caller has given up
   */
  begin(frame, { signal, enters, connection, abandoned }) {
    return new Promise((resolve, reject) => {
      // tries are the connections that it was written on, or offered to, and failed those that could not
      // be made; on is the one that is to bring its answer, and lostBy are the addresses that do not have
      // what it resumes.
      const call = {
        frame: { ...frame, ref: this.#session.nextRef() }, enters, written: false, on: null, tries: 0, failed: 0, refused: 0,
        lostBy: new Set(),
      };
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
      if (connection) {
        this.#write(call, connection);
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
  connected(connection, sent) {
    const first = this.#first;
    this.#first = null;
    if (first) {
      first.on = connection;
    }
    if (first && sent) {
      this.#awaitAnswer(first, connection);
    } else if (first) {
      this.#undone(first.frame.ref);
    }
    for (const call of this.#waiting) {
      if (call !== first) {
        this.retry(call, connection);
        continue;
      }
      call.written = true;
      if (!sent) {
        // It may have come to the hub all the same, by a proxy that does not say so: it has
        // to be the same frame then.
        connection.send(call.frame);
      }
    }
  }

  /** retry writes a call on a new connection, unless it is on another one, or over. */
  retry(call, connection) {
    if (!call.on && this.#waiting.includes(call)) {
      call.frame.ref = this.#session.nextRef();
      this.#write(call, connection);
    }
  }

  /** on reports whether an answer is to come on the connection. */
  on(connection) {
    return [...this.#waiting, ...[...this.#undoing.values()].map(({ call }) => call)].some(({ on }) => on === connection)
      || [...this.#forsaken.values()].includes(connection);
  }

  /**
   * lost is told that a connection has ended.
   *
   * @param {Connection | null} connection
   * @param {string} reason
   * @param {{dialed: boolean, all: boolean, answered: boolean, blamed: boolean}} how dialed: it was an
   *   attempt; all: those too that were not written, where that was the last address; answered: the hub has answered all that it has carried out, so that the
   *   others can be asked again; blamed: it may be because of one of them, so that none is; stopped: the hub stops
   */
  lost(connection, reason, { dialed, all, answered, blamed, stopped }) {
    if (dialed) {
      this.#first = null;
    }
    if (this.#awaited?.on === connection) {
      this.#awaited.stop();
      this.#awaited = null;
    }
    [...this.#forsaken].filter(([, on]) => on === connection).forEach(([ref]) => this.#forsaken.delete(ref));
    [...this.#undoing].filter(([, { call: { on } }]) => on === null || on === connection).forEach(([ref]) => this.#undone(ref));
    for (const call of [...this.#waiting]) {
      const waiting = call.enters?.waiting;
      const was = call.on === connection;
      const written = was && call.written;
      const excused = answered || waiting?.isOn(connection);
      if (was) {
        call.on = null;
        waiting?.over();
      }
      if (was && connection?.givenUp) {
        call.refused++; // this side has ended it, because of something else
      }
      if (written) {
        call.written = !excused && (isPatient(call) ? blamed && !stopped : blamed || call.tries - call.refused >= MAX_TRIES);
      }
      if ((all && !isPatient(call) && ++call.failed >= this.#session.addresses) || (written && call.written)) {
        this.#fail(call, reason);
      }
    }
  }

  /** giveUp ends all calls with the error. What they may have entered is left when that is known. */
  giveUp(error) {
    for (const call of this.#waiting.splice(0)) {
      this.#giveUp(call);
      call.settle(undefined, error);
    }
  }

  failAll(reason) {
    [...this.#waiting].forEach((call) => this.#fail(call, reason));
  }

  #fail(call, reason) {
    this.fail(call, new ConnectionError(`no answer to ${call.frame.type}: ${reason}`));
  }

  /** fail ends a call with the error. */
  fail(call, error) {
    this.#remove(call);
    call.settle(undefined, error);
  }

  /** waits takes a waiting frame of the connection. What its caller has given up is taken back. */
  waits(connection, frame) {
    this.#awaited?.takes(frame);
    const call = this.#waiting.find((each) => each.frame.ref === frame.ref && each.on === connection);
    const waits = call ?? this.#undoing.get(frame.ref)?.call;
    if (waits) {
      waits.tries = 1; // its connection is not lost because of it
      waits.refused = 0;
      waits.enters.waiting.take(connection, frame);
    }
    if (waits && !call) {
      waits.enters.waiting.takeBack(() => this.#session.nextRef());
    }
    return Boolean(waits);
  }

  /** masterIs tells those who wait at a door of its master. */
  masterIs(connection, frame) {
    this.#waiting.forEach(({ enters }) => enters?.waiting.master(connection, frame));
  }

  /** answer gives a frame to the call that it answers, and reports whether there is one. */
  answer(frame) {
    if (this.#awaited?.takes(frame)) {
      return true;
    }
    const call = this.#waiting.find((each) => each.frame.ref === frame.ref);
    if (call && this.#elsewhere(call, frame)) {
      return true;
    }
    if (call) {
      this.#remove(call);
      const answer = call.enters ? answerOf(frame) : frame;
      call.settle(answer, refusalIn(answer) ?? this.#session.settled(call, answer));
      return true;
    }
    if (this.#undoing.has(frame.ref)) {
      this.#leave(frame);
      return true;
    }
    const forsaken = this.#forsaken.get(frame.ref);
    if (forsaken) {
      this.#forsaken.delete(frame.ref);
      this.#session.letGo(forsaken);
    }
    return Boolean(forsaken);
  }

  // A hub that shuts down has done nothing; and where one has lost what is to be resumed, that of
  // another address may have it.
  #elsewhere(call, { code }) {
    const { on, lostBy } = call;
    const lost = code === Code.HUB_LOST && lostBy.add(on.url).size < this.#session.addresses && !this.#session.holds(on);
    if (code !== Code.SHUTTING_DOWN && !lost) {
      return false;
    }
    call.refused++;
    call.written = false;
    call.on = null;
    this.#session.again(call, on);
    return true;
  }

  #write(call, connection) {
    call.written = true;
    call.on = connection;
    call.failed = 0;
    call.tries++;
    connection.send(call.frame);
  }

  // The answer has to come within some time, or is asked for again, plainly.
  #awaitAnswer(call, on) {
    const { frame: { ref, channel }, enters } = call;
    this.#awaited = new First(ref, on, {
      leave: () => {
        this.#plain = true;
        if (!enters || this.#session.isIn(channel)) {
          return 0;
        }
        const leaving = this.#session.nextRef();
        on.send({ type: 'leave', ref: leaving, channel });
        return leaving;
      },
      lost: () => {
        this.#awaited = null;
        this.#undone(ref);
        const wanted = this.#waiting.includes(call);
        if (wanted) {
          call.written = false;
        }
        this.#session.tryAnew(on, wanted);
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
        this.#undoing.set(ref, { channel, undone, call });
      }));
      enters.waiting.takeBack(() => this.#session.nextRef());
      return;
    }
    this.#session.undo(channel, call.on.over);
    this.#forsaken.set(ref, call.on);
  }

  // Its answer is here: what it has entered is left, and undone when the hub says so.
  #leave({ type, ref, channel }) {
    if (type !== 'created' && type !== 'joined') {
      this.#undone(ref);
      return;
    }
    const leaving = this.#session.nextRef();
    const given = this.#undoing.get(ref);
    this.#undoing.set(leaving, given);
    this.#undoing.delete(ref);
    given.call.on.send({ type: 'leave', ref: leaving, channel });
  }

  #undone(ref) {
    this.#undoing.get(ref)?.undone();
    this.#undoing.delete(ref);
    this.#session.progress();
  }
}
