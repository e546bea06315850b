import { Backoff } from './backoff.js';
import { Close, final, wordOf } from './closes.js';
import { Connection } from './connection.js';
import { ClosedError, Code, ConnectionError, RefusedError, passes, refusalIn } from './errors.js';
import { Master } from './master.js';
import { Membership } from './membership.js';
import { writable } from './names.js';
import { watchPage } from './page.js';
import { restoreAll } from './restoring.js';
import { Slave } from './slave.js';
import { Tickets } from './tickets.js';
import { later } from './timer.js';

// How long a connection must have lasted, in milliseconds, for the next loss to
// count as the first one again.
const STEADY_AFTER = 10_000;

// How long after an attempt to connect, in milliseconds, a page that wakes up may begin the
// next one: its events may come in great numbers.
const WAKE_REST = 1000;

// After so many protocol_error in a row it is this side that is wrong, and
// coming back would only repeat it.
const MAX_PROTOCOL_ERRORS = 3;

// The longest time over which a hub that shuts down may spread the return of its
// clients, in milliseconds.
const MAX_SPREAD = 600_000;

// The ref of resumes by a ticket. It is not above that of any send, by which the hub
// knows that another client has held the membership before, however often this
// one has tried already.
const TAKEOVER_REF = 1;

// Resumes by tickets share one ref, and the channel tells them apart. An error to a
// frame that the hub could not read names none.
const unnamed = ({ type, ref, channel }) => type === 'error' && ref === TAKEOVER_REF && channel === undefined;

function answers(frame, asked) {
  return frame.ref === asked.ref && (frame.ref !== TAKEOVER_REF || frame.channel === asked.channel);
}

/**
 * Session is one client's side: the connection that there is at present, the
 * memberships on it, and the calls that belong to none. It connects while there
 * is something to be connected for.
 */
export class Session {
  // The ref of the newest frame. Refs rise for the client's life, over all
  // connections.
  #lastRef = TAKEOVER_REF;
  memberships = new Map();
  closed = false;

  #url;
  #tickets;
  #backoff;
  // running: there is a connection, or there is to be one.
  #running = false;
  #connection = null;
  #open = false;
  #openedAt = 0;
  #dialedAt = -Infinity;
  #pause = null;
  #unwatch = () => {};
  // The channels that some call is entering, with what resolves when it has.
  #claimed = new Map();
  // The calls that wait for an answer.
  #calls = [];
  // How many restores are under way: they keep trying to connect.
  #restoring = 0;
  // The refs of resumes on the present connection whose callers have given up.
  #forsaken = new Set();
  // What has come for resumes by tickets without the name of a channel.
  #unnamed = [];
  // The ref of the call that went along with the present connection and was given up
  // by then, or zero: what it has entered has been left already.
  #left = 0;
  // What the hub has told of its shutdown, in milliseconds, or null.
  #shutdown = null;
  #protocolErrors = 0;
  #whenEnded = [];

  constructor(url, options) {
    this.#url = url;
    this.options = options;
    this.#backoff = new Backoff(options);
    this.#tickets = new Tickets(options.storage, options.storageKey);
  }

  nextRef() {
    return ++this.#lastRef;
  }

  // The answer to a resume that was given up may still come, and must not be taken
  // for another one's: it ends the connection, so that this one is tried again.
  #refFor({ type }) {
    return type === 'resume' && !this.#forsaken.has(TAKEOVER_REF) ? TAKEOVER_REF : this.nextRef();
  }

  /** push writes a frame to the present connection, if there is one. */
  push(frame) {
    if (this.#open) {
      this.#connection.send(frame);
    }
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
    this.#stopIfIdle();
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
    await this.#claiming(frame, () => from.perform(frame, { signal, enters: next }));
    return next.handle;
  }

  async #enterBy(role, frame, signal) {
    const membership = this.#membership(role, frame.channel);
    membership.last = membership.taken = frame.last ?? 0;
    await this.#claiming(frame, () => this.call(frame, signal, membership));
    return membership.handle;
  }

  #membership(role, channel) {
    const membership = new Membership(this, role, channel);
    membership.handle = role === 'master' ? new Master(membership) : new Slave(membership);
    return membership;
  }

  // A client has one membership of a channel, so two calls cannot enter it at once.
  async #claiming({ channel, username, expect }, enter) {
    if (!writable(channel) || !writable(username) || (expect !== undefined && !writable(expect))) {
      throw new RefusedError(Code.BAD_NAME);
    }
    if (this.#claimed.has(channel) || this.memberships.has(channel)) {
      throw new RefusedError(Code.FORBIDDEN, 'this client is in the channel already');
    }
    let release;
    this.#claimed.set(channel, new Promise((resolve) => {
      release = resolve;
    }));
    try {
      await enter();
    } finally {
      this.#claimed.delete(channel);
      release();
    }
  }

  /** enter makes the membership one of the client's, as the answer tells. */
  enter(membership, answer) {
    membership.entered(answer);
    this.memberships.set(membership.channel, membership);
    membership.attach();
    this.#tickets.put(membership.ticket);
    this.#connection.hold();
  }

  /** restore resumes what the storage has kept, or gives the handles that there are. */
  async restore(options) {
    this.#restoring++;
    try {
      return await restoreAll(this, this.#tickets, options);
    } finally {
      this.#restoring--;
      this.#stopIfIdle();
    }
  }

  /** entering resolves when the call that is entering the channel has ended, if there is one. */
  entering(channel) {
    return this.#claimed.get(channel);
  }

  /** tryLater ends the connection, after a refusal that passes: there is a pause before the next. */
  tryLater() {
    this.#connection?.close(Close.IDLE, 'trying again later');
  }

  // Calls: operations without a membership. Unlike a member's request they do not
  // survive their connection, since the hub could not recognise them again.

  call(frame, signal, enters) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      if (this.closed) {
        reject(new ConnectionError('the client is closed'));
        return;
      }
      const call = { frame: { ...frame, ref: this.#refFor(frame) }, enters, written: false };
      const abort = () => {
        this.#calls = this.#calls.filter((other) => other !== call);
        if (call.written && frame.type === 'resume') {
          this.#forsaken.add(call.frame.ref);
          if (this.#unnamed.length > 0) {
            this.#letGo(); // one of them may have been for this one
          }
        }
        this.#stopIfIdle();
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
      this.#calls.push(call);
      if (this.#open) {
        this.#writeCall(call);
      }
      this.#start();
    });
  }

  #writeCall(call) {
    call.written = true;
    this.push(call.frame);
  }

  #failCalls(reason, given) {
    const failed = this.#calls.filter(given);
    this.#calls = this.#calls.filter((call) => !failed.includes(call));
    for (const call of failed) {
      call.settle(undefined, new ConnectionError(`no answer to ${call.frame.type}: ${reason}`));
    }
  }

  // The connection.

  get #needed() {
    return !this.closed && this.memberships.size + this.#calls.length + this.#restoring > 0;
  }

  #start() {
    if (this.#running) {
      return;
    }
    this.#running = true;
    this.#unwatch = watchPage({
      gone: () => this.#connection?.probe(this.options.wakePatience),
      woken: () => this.#woken(),
    });
    this.#dial();
  }

  #stop() {
    this.#pause?.cancel();
    this.#pause = null;
    this.#running = false;
    this.#unwatch();
  }

  // A pause with nothing to come back for is over.
  #stopIfIdle() {
    if (this.#pause && !this.#needed) {
      this.#stop();
    }
  }

  // The page was asleep, or its network is back: what there is is looked at, and
  // what is waited for is tried at once. A hub's shutdown is waited for all the same.
  #woken() {
    this.#connection?.probe(this.options.wakePatience);
    if (this.#pause && !this.#pause.forHub) {
      const rest = this.#dialedAt + WAKE_REST - performance.now();
      this.#pause.cancel();
      if (rest <= 0) {
        this.#dial();
      } else {
        const wait = Math.min(rest, Math.max(0, this.#pause.until - performance.now()));
        this.#rest(wait, false);
      }
    }
  }

  #dial() {
    this.#pause = null;
    this.#dialedAt = performance.now();
    this.#shutdown = null;
    const first = this.#firstCall();
    try {
      this.#connection = new Connection(this.#url, this.options, first?.frame ?? null, {
        opened: (sent) => this.#connected(sent ? first : undefined),
        frame: (frame) => this.#handle(frame),
        ended: (how) => this.#disconnected(how),
      });
    } catch (error) {
      // The platform does not allow this address; it may say so by throwing.
      queueMicrotask(() => this.#disconnected({ number: 0, reason: error.message }));
    }
  }

  // The call that a new connection begins with, if any. Memberships come first, and a
  // secret does not belong into a handshake, which others may write to a log.
  #firstCall() {
    const [call] = this.#calls;
    const fits = !this.options.plainHandshake && this.memberships.size === 0 && call?.frame.type !== 'resume';
    return fits ? call : undefined;
  }

  // Every membership is resumed, and what waited for a connection is sent, but for what
  // was sent along with its making.
  #connected(sent) {
    this.#open = true;
    this.#openedAt = performance.now();
    if (sent?.enters && !this.#calls.includes(sent)) {
      // It was given up meanwhile, and must not be in the way of the others.
      this.#left = sent.frame.ref;
      this.push({ type: 'leave', channel: sent.frame.channel });
    }
    for (const membership of this.memberships.values()) {
      const { channel, username, secret, last } = membership;
      membership.resuming = this.nextRef();
      this.push({ type: 'resume', ref: membership.resuming, channel, username, secret, last });
    }
    this.#calls.forEach((call) => {
      if (call === sent) {
        call.written = true;
        return;
      }
      call.frame.ref = this.#refFor(call.frame);
      this.#writeCall(call);
    });
  }

  #disconnected({ number, reason }) {
    const wasOpen = this.#open;
    this.#open = false;
    this.#connection = null;
    this.#forsaken.clear();
    this.#unnamed = [];
    this.#left = 0;
    this.#whenEnded.splice(0).forEach((resolve) => resolve());
    if (this.closed) {
      this.#stop();
      return;
    }
    if (wasOpen && performance.now() - this.#openedAt >= STEADY_AFTER) {
      this.#backoff.steady();
    }
    if (final(number)) {
      this.#endAll(new ClosedError(wordOf(number), reason));
      // The hub has answered all that it has carried out before it closed the
      // connection so: what has no answer can be asked again.
      this.#calls.forEach((call) => {
        call.written = false;
      });
    }
    this.#protocolErrors = number === Close.PROTOCOL_ERROR ? this.#protocolErrors + 1 : 0;
    if (this.#protocolErrors >= MAX_PROTOCOL_ERRORS) {
      this.#endAll(new ClosedError(Code.PROTOCOL_ERROR, reason), true);
      this.#protocolErrors = 0;
    }
    const why = reason === '' ? `connection lost (${number})` : reason;
    this.#failCalls(why, (call) => !wasOpen || call.written);
    if (number === Close.TOO_LARGE) {
      this.#failLargest();
    }
    for (const membership of this.memberships.values()) {
      membership.lose();
    }
    this.#next(number);
  }

  #next(number) {
    if (!this.#needed) {
      this.#stop();
      return;
    }
    const forHub = this.#shutdown !== null;
    let wait = number === Close.RATE_LIMITED ? this.#backoff.longest() : this.#backoff.next();
    if (forHub) {
      wait = Math.random() * this.#shutdown;
    }
    this.#rest(wait, forHub);
  }

  #rest(wait, forHub) {
    this.#pause = { forHub, until: performance.now() + wait, cancel: later(wait, () => this.#dial()) };
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
    largest?.membership.fail(largest.request, new RefusedError(Code.TOO_LARGE));
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
        this.#shutdown = Math.min(frame.timeout_ms, MAX_SPREAD);
        break;
      default:
        if (frame.ref !== undefined) {
          this.#answer(frame);
        }
    }
  }

  #answer(frame) {
    if (unnamed(frame) && !this.#forsaken.has(TAKEOVER_REF)) {
      this.#unnamed.push(frame);
      this.#settleUnnamed();
      return;
    }
    const call = this.#calls.find((each) => answers(frame, each.frame));
    if (call) {
      this.#settle(call, frame);
      this.#settleUnnamed();
      return;
    }
    const members = [...this.memberships.values()];
    const resuming = members.find((each) => each.resuming === frame.ref);
    if (resuming) {
      this.#resumed(resuming, frame);
      return;
    }
    // An ack names no channel, and the answer to a switch the one it leads to.
    if (members.some((each) => each.answer(frame))) {
      return;
    }
    if (this.#forsaken.delete(frame.ref)) {
      this.#letGo();
    } else if ((frame.type === 'created' || frame.type === 'joined') && frame.ref !== this.#left && !this.#awaited(frame)) {
      // The call that asked for it has been given up.
      this.push({ type: 'leave', channel: frame.channel });
    }
  }

  #settle(call, frame) {
    this.#calls = this.#calls.filter((other) => other !== call);
    const refusal = refusalIn(frame) ?? this.#wrongRole(frame, call.enters);
    if (!refusal && call.enters) {
      this.enter(call.enters, frame);
    }
    call.settle(frame, refusal);
  }

  // Every resume has one answer: errors that name no channel are for those that are left
  // when the others have theirs.
  #settleUnnamed() {
    const open = this.#calls.filter(({ written, frame }) => written && frame.ref === TAKEOVER_REF);
    if (open.length <= this.#unnamed.length) {
      const errors = this.#unnamed.splice(0);
      open.forEach((call, index) => this.#settle(call, errors[index]));
    }
  }

  // Another call is on its way into the same membership: the hub takes a join that
  // its connection repeats for the same one.
  #awaited({ type, channel, username }) {
    return type === 'joined' && this.#calls.some(({ written, frame }) => written && frame.type === 'join'
      && frame.channel === channel && frame.username === username);
  }

  // A resume may turn out to be of the other role.
  #wrongRole(frame, enters) {
    if (!enters || frame.type === (enters.role === 'master' ? 'created' : 'joined')) {
      return undefined;
    }
    this.#letGo();
    return new RefusedError(Code.FORBIDDEN, 'the ticket is for the other role');
  }

  // The connection is given up, so that a membership on it that nobody here wants
  // is away, and can be resumed elsewhere. The others come back.
  #letGo() {
    this.#connection.close(Close.IDLE, 'a resume was given up');
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
    this.#endAll(new ClosedError(Code.LEFT));
    this.#failCalls('the client is closed', () => true);
    if (!this.#connection) {
      this.#stop();
      return;
    }
    const connection = this.#connection;
    const cancel = later(this.options.closeTimeout, () => connection.abandon(Close.LEFT, ''));
    const ended = new Promise((resolve) => {
      this.#whenEnded.push(resolve);
    });
    connection.close(Close.LEFT, '');
    await ended;
    cancel();
  }
}
