import { Calls, TAKEOVER_REF } from './calls.js';
import { Close, final, wordOf } from './closes.js';
import { FLOOR } from './connection.js';
import { Entries } from './entries.js';
import { ClosedError, Code, ConnectionError, RefusedError, passes, refusalIn } from './errors.js';
import { Link } from './link.js';
import { Master } from './master.js';
import { Membership } from './membership.js';
import { checkNames, quoted } from './names.js';
import { restoreAll } from './restoring.js';
import { Slave } from './slave.js';
import { Tickets } from './tickets.js';

// After so many protocol_error in a row it is this side that is wrong, and
// coming back would only repeat it.
const MAX_PROTOCOL_ERRORS = 3;

// After so many connections that were too slow for a send it is given up: it would be begun
// anew for ever, and nothing behind it would arrive.
const MAX_SLOW = 3;

// So many channels are left one by one where a client is closed. The close itself leaves
// the others: the hub holds leaves against a pace.
const MAX_LEAVES = 8;

/**
 * Session is one client's side: the memberships on its connection, how they are entered,
 * and whom a frame is for.
 */
export class Session {
  // The ref of the newest frame. Refs rise for the client's life, over all
  // connections.
  #lastRef = TAKEOVER_REF;
  // How many requests of members were written so far.
  #writes = 0;
  memberships = new Map();
  closed = false;

  #link;
  #calls;
  #entries;
  #tickets;
  // How many restores are under way: they keep trying to connect.
  #restoring = 0;
  #protocolErrors = 0;

  constructor(url, options) {
    this.options = options;
    this.#tickets = new Tickets(options.storage, options.storageKey);
    this.#entries = new Entries(url);
    this.#link = new Link(url, options, {
      needed: () => this.#needed,
      first: () => this.#first(),
      opened: (sent) => this.#connected(sent),
      frame: (frame) => this.#handle(frame),
      lost: (how) => this.#disconnected(how),
    });
    this.#calls = new Calls({
      push: (frame) => this.push(frame),
      nextRef: () => this.nextRef(),
      letGo: () => this.#letGo(),
      tryAnew: (wanted) => (wanted || !this.#needed) && this.tryLater(),
      isIn: (channel) => this.memberships.has(channel),
      ended: () => this.#link.ended(),
      undo: (channel, promise) => this.undo(channel, promise),
      settled: (call, frame) => this.#settled(call, frame),
    });
  }

  nextRef() {
    return ++this.#lastRef;
  }

  /** nextWrite is the place of a request among all that are written. */
  nextWrite() {
    return ++this.#writes;
  }

  /** push writes a frame to the present connection, if there is one. */
  push(frame) {
    this.#link.send(frame);
  }

  /** keep stores what it takes to come back to a membership, unless another client has taken that over. */
  keep(membership) {
    if (!membership.error) {
      this.#tickets.update(membership.ticket);
    }
  }

  /** forget takes a membership out that is over. resumable: by this side's account alone. */
  forget(membership, resumable) {
    if (this.memberships.get(membership.channel) === membership) {
      this.memberships.delete(membership.channel);
    }
    if (!resumable) {
      this.#tickets.remove(membership);
    }
    this.#link.stopIfIdle();
  }

  // Entering.

  async create(frame, signal) {
    return this.#enterBy('master', { ...frame, type: 'create' }, signal);
  }

  async join(frame, signal) {
    return this.#enterBy('slave', { ...frame, type: 'join' }, signal);
  }

  async resume({ role, channel, username, secret, last }, signal) {
    return this.#enterBy(role, { type: 'resume', channel, username, secret, last }, signal);
  }

  async switch(from, channel, { expect, token }, signal) {
    const next = this.#membership('slave', channel);
    const frame = { type: 'join', channel, username: from.username, from: from.channel, expect, token };
    await this.#entering(frame, signal, () => from.perform(frame, { signal, enters: next }));
    return next.handle;
  }

  async #enterBy(role, frame, signal) {
    const membership = this.#membership(role, frame.channel);
    membership.last = membership.taken = frame.last ?? 0;
    await this.#entering(frame, signal, () => this.call(frame, signal, membership));
    return membership.handle;
  }

  #membership(role, channel) {
    const membership = new Membership(this, role, channel);
    membership.handle = role === 'master' ? new Master(membership) : new Slave(membership);
    return membership;
  }

  // A client has one membership of a channel. A call that would enter it once more waits
  // for those before: they may be given up, or left at once.
  async #entering(frame, signal, enter) {
    const { channel } = frame;
    checkNames(frame);
    await this.#entries.enter(channel, signal, async () => {
      if (this.memberships.has(channel)) {
        throw new RefusedError(Code.FORBIDDEN, `this client is in ${quoted(channel)} already`);
      }
      await enter();
    });
  }

  /** undo tells that something in the channel is undone when the promise is resolved: who enters waits for it. */
  undo(channel, promise) {
    this.#entries.undo(channel, promise);
  }

  /** enter makes the membership one of the client's, as the answer tells. */
  enter(membership, answer) {
    membership.entered(answer);
    this.memberships.set(membership.channel, membership);
    membership.attach();
    this.#tickets.put(membership.ticket);
    this.#link.hold();
  }

  /** restore resumes what the storage has kept, or gives the handles that there are. */
  async restore(options) {
    this.#restoring++;
    try {
      return await restoreAll(this, this.#tickets, options);
    } finally {
      this.#restoring--;
      this.#link.stopIfIdle();
    }
  }

  /** underWay resolves when the newest call that is entering the channel has ended, if there is one. */
  underWay(channel) {
    return this.#entries.under(channel);
  }

  /** tryLater ends the connection, after a refusal that passes: there is a pause before the next. */
  tryLater() {
    this.#link.giveUp('trying again later');
  }

  /** call asks the hub for something without a membership. enters is the one that an answer makes. */
  async call(frame, signal, enters) {
    if (signal?.aborted) {
      throw signal.reason;
    }
    if (this.closed) {
      throw new ConnectionError('the client is closed');
    }
    const answer = this.#calls.begin(frame, {
      signal, enters, open: this.#link.open, abandoned: () => this.#link.stopIfIdle(),
    });
    this.#link.start();
    return answer;
  }

  // The connection.

  get #needed() {
    return !this.closed && this.memberships.size + this.#calls.size + this.#restoring > 0;
  }

  // Memberships come first on a new connection, and a secret does not belong into a
  // handshake, which others may write to a log.
  #first() {
    return this.options.plainHandshake || this.memberships.size > 0
      ? null : this.#calls.first({ withToken: this.options.tokenInHandshake });
  }

  // Every membership is resumed, and what waited for a connection is sent.
  #connected(sent) {
    for (const membership of this.memberships.values()) {
      const { channel, username, secret, last } = membership;
      membership.resuming = this.nextRef();
      this.push({ type: 'resume', ref: membership.resuming, channel, username, secret, last });
    }
    this.#calls.connected(sent);
  }

  #disconnected({ number, reason, silent, wasOpen, replaced }) {
    const why = reason === '' ? `connection lost (${number})` : reason;
    if (this.closed) {
      this.#calls.lost(why, { all: true });
      return;
    }
    if (final(number)) {
      this.#endAll(new ClosedError(wordOf(number), reason));
    }
    this.#protocolErrors = number === Close.PROTOCOL_ERROR ? this.#protocolErrors + 1 : 0;
    if (this.#protocolErrors >= MAX_PROTOCOL_ERRORS) {
      this.#endAll(new ClosedError(Code.PROTOCOL_ERROR, reason), true);
      this.#protocolErrors = 0;
    }
    // The hub has answered all that it has carried out before it closes a connection with
    // a final number.
    this.#calls.lost(why, { all: !wasOpen && !replaced, answered: final(number) });
    if (number === Close.TOO_LARGE) {
      this.#failLargest();
    }
    if (number === Close.SLOW) {
      this.#tooSlow(0);
    } else if (silent) {
      this.#tooSlow(FLOOR * (this.options.silence + this.options.patience));
    }
    for (const membership of this.memberships.values()) {
      membership.lose();
    }
  }

  #endAll(why, resumable = false) {
    for (const membership of [...this.memberships.values()]) {
      membership.end(why, resumable);
    }
  }

  // The hub has closed the connection because of a message that was too large. If
  // any is, it is the largest without an answer, and it must not be sent again.
  #failLargest() {
    const size = (request) => request.frame.payload?.bytes.length ?? 0;
    let largest;
    for (const membership of this.memberships.values()) {
      for (const request of membership.pending.filter((each) => each.written)) {
        if (!largest || size(request) > size(largest.request)) {
          largest = { membership, request };
        }
      }
    }
    largest?.membership.fail(largest.request, new RefusedError(
      Code.TOO_LARGE, `the hub has closed the connection for its ${size(largest.request)} bytes of payload: send less at a time`));
  }

  // What was on its way is the first send without an answer. Where it was this side that has
  // heard nothing, a send of that many bytes or fewer is not the reason.
  #tooSlow(bytes) {
    const [first] = [...this.memberships.values()].filter(({ attached }) => attached)
      .flatMap((membership) => membership.pending.filter(({ written, frame }) => written && frame.type === 'send')
        .map((request) => ({ membership, request })))
      .sort((one, other) => one.request.place - other.request.place);
    const size = first?.request.frame.payload.bytes.length;
    if (first && size > bytes && ++first.request.slow >= MAX_SLOW) {
      first.membership.fail(first.request, new ConnectionError(
        `${MAX_SLOW} connections were too slow for these ${size} bytes`));
    }
  }

  #handle(frame) {
    const membership = this.memberships.get(frame.channel);
    switch (frame.type) {
      case 'message':
        membership?.message(frame);
        break;
      case 'presence':
        membership?.presence(frame);
        break;
      case 'gap':
        membership?.gap(frame.missed);
        break;
      case 'members':
        if (frame.ref === undefined) {
          membership?.roster(frame);
        }
        break;
      case 'closed':
        membership?.end(new ClosedError(frame.code, frame.reason));
        break;
      case 'shutdown':
        this.#link.spread(frame.timeout_ms);
        break;
      default:
        if (frame.ref !== undefined) {
          this.#answer(frame);
        }
    }
  }

  #answer(frame) {
    if (this.#calls.answer(frame)) {
      return;
    }
    const members = [...this.memberships.values()];
    const resuming = members.find((each) => each.resuming === frame.ref);
    if (resuming) {
      this.#resumed(resuming, frame);
    } else {
      // An ack names no channel, and the answer to a switch the one it leads to. Nobody takes
      // an answer that comes again, since its frame came to the hub a second time.
      members.some((each) => each.answer(frame));
    }
  }

  #settled({ enters }, frame) {
    const refusal = this.#wrongRole(frame, enters) ?? (enters && this.#alreadyIn(frame));
    if (!refusal && enters) {
      this.enter(enters, frame);
    }
    return refusal;
  }

  // A resume may turn out to be of the other role.
  #wrongRole(frame, enters) {
    if (!enters || frame.type === (enters.role === 'master' ? 'created' : 'joined')) {
      return undefined;
    }
    this.#letGo();
    return new RefusedError(Code.FORBIDDEN, 'the ticket is for the other role: resume with the one for it');
  }

  // The service may take two names of channels for the same.
  #alreadyIn({ channel }) {
    return this.memberships.has(channel)
      ? new RefusedError(Code.FORBIDDEN, `this client is in ${quoted(channel)} already`) : undefined;
  }

  // The connection is given up, so that a membership on it that nobody here wants
  // is away, and can be resumed elsewhere. The others come back.
  #letGo() {
    this.#link.giveUp('a resume was given up');
  }

  #resumed(membership, frame) {
    const refusal = refusalIn(frame);
    if (!refusal) {
      membership.entered(frame);
      membership.attach();
    } else if (passes(refusal)) {
      this.tryLater();
    } else {
      membership.end(new ClosedError(refusal.code, refusal.reason), refusal.code !== Code.RESUME_FAILED);
    }
  }

  /** close leaves every channel on purpose and closes the connection. */
  async close() {
    this.closed = true;
    const channels = [...new Set([...this.memberships.keys(), ...this.#calls.entering])];
    const ended = this.#link.ended();
    channels.forEach((channel) => this.undo(channel, ended));
    // What is decided before the close is over for who enters after it.
    const frames = channels.slice(0, MAX_LEAVES).map((channel) => ({ type: 'leave', channel }));
    this.#endAll(new ClosedError(Code.LEFT));
    this.#calls.fail('the client is closed');
    await this.#link.leave(frames);
  }
}
