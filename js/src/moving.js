import { ClosedError, Code, passes, refusalIn } from './errors.js';

// The refusals of a resume by which the ticket is worth nothing any more.
const over = new Set([Code.RESUME_FAILED, Code.HUB_LOST, Code.REPLACED]);

/**
 * Moving brings the memberships onto the present connection: after a loss, and, where the hub of the
 * former one shuts down, while that one still holds them. Such a membership is with the former
 * connection until its resume is granted, and stays there where it is refused.
 */
export class Moving {
  #session;
  #link;
  #calls;

  constructor(session, link, calls) {
    this.#session = session;
    this.#link = link;
    this.#calls = calls;
  }

  get #all() {
    return [...this.#session.memberships.values()];
  }

  /** connected resumes all on the new connection. prepared: those that need a token have got one for it. */
  connected(connection, prepared) {
    if (prepared) {
      this.#all.forEach((membership) => this.#begin(membership, connection));
    } else {
      this.#bring(this.#all, connection);
    }
    this.look();
  }

  // A switch or a hand-over whose answer was lost comes before the resume. While the former connection is there, its
  // answer is awaited.
  #begin(membership, connection) {
    if (membership.line ? !membership.undecided : !membership.repeatFirst(connection)) {
      this.#resume(membership, connection);
    }
  }

  #resume(membership, connection) {
    const { channel, username, secret, epoch, last, token, attributes } = membership;
    const { instance, roster } = this.#session;
    const ref = this.#session.nextRef();
    membership.bind(connection, ref);
    const seq = Math.min(attributes.known, last);
    connection.send({ type: 'resume', ref, channel, username, secret, epoch, last, seq, token, instance, roster });
  }

  // The tokens that were got before the connection was made may be used up.
  #bring(list, connection) {
    list.forEach((membership) => membership.bind(connection));
    const still = () => list.filter(({ bound, error }) => bound === connection && !error);
    const begin = () => still().forEach((membership) => {
      membership.bind(null);
      this.#begin(membership, connection);
    });
    const prepared = list.length > 0 ? this.#session.freshTokens(list) : null;
    if (prepared) {
      prepared.then(begin, () => still().forEach((membership) => this.#refused(membership, connection)));
    } else {
      begin();
    }
  }

  /** look moves what is new on the former connection, and ends that one when nothing is on it. */
  look() {
    const { former, current } = this.#link;
    if (!former || this.#session.closed) {
      return;
    }
    const left = this.#all.filter(({ line }) => line === former);
    if (current) {
      this.#bring(left.filter((each) => !each.bound && each.refusedOn !== current && !each.undecided), current);
    }
    if (left.length === 0 && !this.#calls.on(former)) {
      this.#link.dismiss();
    }
  }

  /** lost is told that a connection has ended. What it had goes on to the present one, if that is another. */
  lost(connection) {
    const { current } = this.#link;
    const rest = [];
    for (const membership of this.#all) {
      const { line, bound } = membership;
      if (line === connection && line !== null && (bound || current)) {
        membership.letGo();
        if (!bound) {
          rest.push(membership);
        }
      } else if (line && line !== connection) {
        if (bound === connection) {
          membership.bind(null);
        }
      } else if (bound === null || bound === connection) {
        membership.lose();
      }
    }
    this.#bring(rest, current);
    this.look();
  }

  /** answer takes the answer to a resume, and reports whether the frame is one. */
  answer(connection, frame) {
    const bound = this.#all.filter((each) => each.bound === connection);
    const resuming = bound.find((each) => each.resuming === frame.ref);
    const repeating = bound.find((each) => each.repeating === frame.ref);
    if (resuming) {
      this.#resumed(resuming, connection, frame);
    } else if (repeating?.handing && passes(refusalIn(frame))) {
      this.#session.tryLater(connection); // it tells nothing of the first one
    } else if (repeating && frame.type === 'error') {
      // The first one has not arrived, or was refused: it is made anew behind the resume.
      this.#resume(repeating, connection);
    } else {
      return false;
    }
    return true;
  }

  #resumed(membership, connection, frame) {
    const refusal = refusalIn(frame);
    if (!refusal) {
      membership.entered(frame);
      this.#session.keep(membership);
      membership.attach(connection);
    } else if (membership.line || passes(refusal)) {
      this.#refused(membership, connection);
    } else if (this.#elsewhere(membership, connection, refusal)) {
      this.#refused(membership, connection, false);
    } else if (refusal.code !== Code.RESUME_FAILED || !membership.handsOverAgain(connection)) {
      membership.end(new ClosedError(refusal.code, refusal.reason), !over.has(refusal.code));
    }
    this.#leaveIfLost(connection);
  }

  // A connection whose hub has none of the memberships gives way to the next address. Others that it
  // has are not given up for one that it does not have.
  #leaveIfLost(connection) {
    const there = this.#all.filter(({ line, bound }) => line === connection || bound === connection);
    if (there.length === 0 && this.#all.some(({ line, refusedOn }) => !line && refusedOn === connection)) {
      this.#session.tryLater(connection);
    }
  }

  // The hub of another address may have it.
  #elsewhere({ lostBy }, { url }, { code }) {
    return code === Code.HUB_LOST && lostBy.add(url).size < this.#link.addresses;
  }

  // It stays where it is, or has to wait for the next connection.
  #refused(membership, connection, next = true) {
    membership.bind(null);
    membership.refusedOn = connection;
    if (membership.line) {
      return;
    }
    if (!membership.lost) {
      membership.lose();
    }
    if (next) {
      this.#session.tryLater(connection);
    }
  }
}
