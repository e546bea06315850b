import { orAborted } from './aborting.js';
import { attributesOf } from './attributelimits.js';
import { Calls } from './calls.js';
import { Close, blamed, final, wordOf } from './closes.js';
import { FLOOR } from './connection.js';
import { Entries } from './entries.js';
import { ClosedError, Code, ConnectionError, RefusedError } from './errors.js';
import { newInstance } from './instance.js';
import { Link } from './link.js';
import { Master } from './master.js';
import { Membership } from './membership.js';
import { Moving } from './moving.js';
import { checkNames, quoted } from './names.js';
import { restoreAll } from './restoring.js';
import { Slave } from './slave.js';
import { Tickets } from './tickets.js';
import { later } from './timer.js';
import { Tokens } from './tokens.js';
import { Waiting } from './waiting.js';

// After so many protocol_error in a row it is this side that is wrong, and
// coming back would only repeat it.
const MAX_PROTOCOL_ERRORS = 3;

// After so many connections that were too slow for a send it is given up: it would be begun
// anew for ever, and nothing behind it would arrive.
const MAX_SLOW = 3;

// So many channels are left one by one where a client is closed. The close itself leaves
// the others: the hub holds leaves against a pace.
const MAX_LEAVES = 8;

// What options.token is told of a frame that is to have a token.
const requestFor = ({ type: operation, channel, username }) => ({ operation, channel, username });

/**
 * Session is one client's side: the memberships on its connection, how they are entered,
 * and whom a frame is for.
 */
export class Session {
  // The ref of the newest frame. Refs rise for the client's life, over all
  // connections.
  #lastRef = 0;
  // How many requests of members were written so far.
  #writes = 0;
  /** The id of this client, which no other one has. */
  instance = newInstance();

  /** How the client is told of its slaves as their master. */
  get roster() {
    return this.options.countSlaves ? 'count' : 'pages';
  }
  memberships = new Map();
  closed = false;
  // Why nothing new is begun any more, where the client is being detached.
  detaching = undefined;
  #whenSettled;

  #link;
  #moving;
  #calls;
  #entries;
  #tickets;
  #tokens;
  // How many restores are under way: they keep trying to connect.
  #restoring = 0;
  #protocolErrors = 0;

  /**
   * @param {string[]} urls
   * @param {object} options the client's
   * @param {{way: (way: string | null) => void}} told is told on which way it is connected, when that changes
   */
  constructor(urls, options, told) {
    this.options = options;
    this.#tickets = new Tickets(options.storage, options.storageKey);
    this.#entries = new Entries(urls[0]);
    this.#tokens = new Tokens(options.token, options.dialTimeout);
    this.#link = new Link(urls, options, {
      needed: () => this.#needed,
      stay: (connection) => [...this.memberships.values()].every(({ line }) => line === connection) && this.memberships.size > 0,
      prepare: () => this.freshTokens([...this.memberships.values()], this.#calls.repeated),
      first: () => this.#first(),
      opened: (connection, how) => this.#connected(connection, how),
      frame: (connection, frame) => this.#handle(connection, frame),
      lost: (connection, how) => this.#disconnected(connection, how),
      way: (way) => told.way(way),
    });
    this.#calls = new Calls({
      addresses: urls.length,
      nextRef: () => this.nextRef(),
      letGo: (connection) => this.#letGo(connection),
      progress: () => this.progress(),
      tryAnew: (connection, wanted) => (wanted || !this.#needed) && this.tryLater(connection),
      isIn: (channel) => this.memberships.has(channel),
      holds: (connection) => this.holds(connection),
      undo: (channel, promise) => this.undo(channel, promise),
      settled: (call, frame) => this.#settled(call, frame),
      again: (call, connection) => this.#again(call, connection),
    });
    this.#moving = new Moving(this, this.#link, this.#calls);
  }

  /** way is on which one the client is connected, or null. */
  get way() {
    return this.#link.way;
  }

  nextRef() {
    return ++this.#lastRef;
  }

  /** nextWrite is the place of a request among all that are written. */
  nextWrite() {
    return ++this.#writes;
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
      this.#tickets.remove(membership.ticket);
    }
    this.#moving.look();
    this.#link.stopIfIdle();
  }

  // Entering.

  async create(frame, signal) {
    return this.#enterBy('master', { ...frame, type: 'create' }, signal);
  }

  async join(frame, signal, onwaiting) {
    return this.#enterBy('slave', { ...frame, type: 'join' }, signal, onwaiting);
  }

  async resume({ role, channel, username, resume: secret, epoch, last }, { token, signal }) {
    return this.#enterBy(role, { type: 'resume', channel, username, secret, epoch, last, token }, signal);
  }

  async switch(from, channel, { expect, token, attributes, wait }, signal, onwaiting) {
    const next = this.#membership('slave', channel, token);
    next.waiting = new Waiting(onwaiting);
    const frame = { type: 'join', channel, username: from.username, from: from.channel, expect, token, attributes, wait };
    await this.#entering(frame, signal, next, (entering) => from.perform(entering, { signal, enters: next }));
    return next.handle;
  }

  async #enterBy(role, frame, signal, onwaiting) {
    const membership = this.#membership(role, frame.channel, frame.token);
    membership.waiting = new Waiting(onwaiting);
    membership.last = membership.taken = frame.last ?? 0;
    await this.#entering(frame, signal, membership, async (entering) => {
      await this.call(entering, signal, membership);
      await this.#afterAsked(membership, signal);
    });
    return membership.handle;
  }

  // What it is asked again is there when the handle is, and all of a list of its slaves. Where the caller gives up before, the seat is away
  // then, and can be resumed.
  async #afterAsked(membership, signal) {
    const coming = () => membership.asked ?? membership.roster.coming;
    try {
      while (coming()) {
        await orAborted(coming(), signal);
      }
    } catch (error) {
      const connection = membership.line ?? membership.bound;
      membership.end(new ClosedError(Code.LEFT), true);
      if (connection) {
        this.undo(membership.channel, connection.over);
        this.#letGo(connection);
      }
      throw error;
    }
  }

  #membership(role, channel, token = '') {
    const membership = new Membership(this, role, channel);
    membership.ownToken = token !== '';
    membership.handle = role === 'master' ? new Master(membership) : new Slave(membership);
    return membership;
  }

  // A client has one membership of a channel. A call that would enter it once more waits
  // for those before: they may be given up, or left at once.
  async #entering(given, signal, membership, enter) {
    const { channel } = given;
    const frame = { ...given, instance: this.instance, roster: this.roster };
    checkNames(frame);
    frame.attributes = membership.enteredWith = attributesOf(given.attributes, this.options.maxMessageBytes);
    await this.#entries.enter(channel, signal, async () => {
      if (this.memberships.has(channel)) {
        throw new RefusedError(Code.FORBIDDEN, `this client is in ${quoted(channel)} already`);
      }
      if (!frame.token && this.#tokens.made) {
        frame.token = await this.#tokens.one(requestFor(frame), signal);
      }
      membership.token = frame.token;
      await enter(frame);
    });
  }

  /** refresh shows the service a token for a membership: the one that is given, or a fresh one. */
  async refresh(membership, given, signal) {
    if (!given && !this.#tokens.made) {
      throw new TypeError('refresh needs a token, where there is no options.token');
    }
    const { channel, username } = membership;
    const token = given || await this.#tokens.one({ operation: 'refresh', channel, username }, signal);
    await membership.operate({ type: 'refresh', token }, signal);
    membership.token = token;
    membership.ownToken = Boolean(given);
  }

  /**
   * freshTokens gets a token for each that comes back, the memberships and what is made once more,
   * or returns null where none is needed.
   */
  freshTokens(all, calls = []) {
    if (!this.#tokens.made) {
      return null;
    }
    const needs = [
      ...all.filter(({ ownToken }) => !ownToken).map((membership) => ({
        request: requestFor({ type: 'resume', channel: membership.channel, username: membership.username }),
        take: (token) => {
          membership.token = token;
        },
      })),
      ...[...all.map(({ switching }) => switching), ...calls].filter((each) => each?.enters && !each.enters.ownToken)
        .map(({ frame, enters }) => ({
          request: requestFor(frame),
          take: (token) => {
            frame.token = enters.token = token;
          },
        })),
    ];
    return needs.length === 0 ? null : this.#tokens.fresh(needs);
  }

  /** undo tells that something in the channel is undone when the promise is resolved: who enters waits for it. */
  undo(channel, promise) {
    this.#entries.undo(channel, promise);
  }

  /** enter makes the membership one of the client's, as the answer tells. */
  enter(membership, answer, connection) {
    membership.entered(answer);
    this.memberships.set(membership.channel, membership);
    // It is stored before anything is sent for it: by the first frame the hub takes this
    // client for the holder, and what another one has stored is worth nothing.
    this.#tickets.put(membership.ticket);
    membership.attach(connection);
    connection.hold();
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
  tryLater(connection = this.#link.current) {
    connection?.giveUp('trying again later');
  }

  /** call asks the hub for something without a membership. enters is the one that an answer makes. */
  async call(frame, signal, enters) {
    if (signal?.aborted) {
      throw signal.reason;
    }
    if (this.closed || this.detaching) {
      throw this.detaching ?? new ConnectionError('the client is closed');
    }
    const answer = this.#calls.begin(frame, {
      signal, enters, connection: this.#link.current, abandoned: () => this.#link.stopIfIdle(),
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

  #connected(connection, { sent, prepared }) {
    this.#moving.connected(connection, prepared);
    this.#calls.connected(connection, sent);
  }

  // A call was refused for now, by the hub of that connection: it is made on the next one.
  #again(call, connection) {
    const { current } = this.#link;
    if (current && current !== connection) {
      (this.freshTokens([], [call]) ?? Promise.resolve()).then(
        () => this.#calls.retry(call, current), (error) => this.#calls.fail(call, error));
    } else if (!this.#link.moving && !this.holds(connection)) {
      this.tryLater(connection);
    }
  }

  /** holds reports whether the connection holds a membership. */
  holds(connection) {
    return [...this.memberships.values()].some(({ line }) => line === connection);
  }

  // Those that the connection holds, or is to hold.
  #on(connection) {
    return [...this.memberships.values()].filter(({ line, bound }) => (line ?? bound) === connection);
  }

  #disconnected(connection, { number, reason, silent, wasOpen, replaced }) {
    const why = reason === '' ? `connection lost (${number})` : reason;
    if (this.closed) {
      this.#calls.lost(connection, why, { dialed: true, all: true });
      return;
    }
    if (final(number)) {
      const why = new ClosedError(wordOf(number), reason);
      // A slave whose connection has ended so was the master, was not told, and is lost.
      const told = this.#on(connection).filter(({ role }) => role === 'master' || why.code !== Code.HANDED_OVER);
      told.forEach((membership) => membership.end(why, false));
    }
    this.#protocolErrors = number === Close.PROTOCOL_ERROR ? this.#protocolErrors + 1 : 0;
    if (this.#protocolErrors >= MAX_PROTOCOL_ERRORS) {
      this.#endAll(new ClosedError(Code.PROTOCOL_ERROR, reason), true, connection);
      this.#protocolErrors = 0;
    }
    // The hub has answered all that it has carried out before it closes a connection with
    // a final number.
    this.#calls.lost(connection, why, {
      dialed: !wasOpen, all: !wasOpen && !replaced, answered: final(number), blamed: blamed(number),
      stopped: number === Close.SHUTDOWN,
    });
    if (number === Close.TOO_LARGE) {
      this.#failLargest(connection);
    }
    if (number === Close.SLOW) {
      this.#tooSlow(connection, 0);
    } else if (silent) {
      this.#tooSlow(connection, FLOOR * (this.options.silence + this.options.patience));
    }
    this.#moving.lost(connection);
  }

  #endAll(why, resumable = false, connection = undefined) {
    for (const membership of connection ? this.#on(connection) : [...this.memberships.values()]) {
      membership.end(why, resumable);
    }
  }

  // The hub has closed the connection because of a message that was too large. If
  // any is, it is the largest without an answer, and it must not be sent again.
  #failLargest(connection) {
    const size = (request) => request.frame.payload?.bytes.length ?? 0;
    let largest;
    for (const membership of this.#on(connection)) {
      for (const request of membership.pending.filter((each) => each.written)) {
        if (!largest || size(request) > size(largest.request)) {
          largest = { membership, request };
        }
      }
    }
    largest?.membership.fail(largest.request, new RefusedError(
      Code.TOO_LARGE, `the hub has closed the connection for its ${size(largest.request)} bytes of payload: send less at a time`));
  }

  // What was on its way is the first payload without an answer. Where it was this side that has
  // heard nothing, a send of that many bytes or fewer is not the reason.
  #tooSlow(connection, bytes) {
    const [first] = [...this.memberships.values()].filter(({ line }) => line === connection)
      .flatMap((membership) => membership.pending.filter(({ written, frame }) => written && frame.payload)
        .map((request) => ({ membership, request })))
      .sort((one, other) => one.request.place - other.request.place);
    const size = first?.request.frame.payload?.bytes.length ?? 0;
    if (first && size > bytes && ++first.request.slow >= MAX_SLOW) {
      first.membership.fail(first.request, new ConnectionError(
        `${MAX_SLOW} connections were too slow for these ${size} bytes`));
    }
  }

  // What comes for a membership from another connection than the one that holds it, or is to hold it, is of
  // before it has moved.
  #handle(connection, frame) {
    const known = this.memberships.get(frame.channel);
    const membership = known && (known.line ?? known.bound) === connection ? known : undefined;
    switch (frame.type) {
      case 'message':
        membership?.message(frame);
        break;
      case 'presence':
        if (membership) {
          membership.presence(frame);
        } else if (frame.role === 'master') {
          this.#calls.masterIs(connection, frame);
          this.memberships.forEach(({ switching }) => switching?.enters.waiting.master(connection, frame));
        }
        break;
      case 'waiting':
        if (!this.#calls.waits(connection, frame)) {
          this.#on(connection).some((each) => each.waits(connection, frame));
        }
        break;
      case 'knock':
        membership?.door.knocked(frame);
        break;
      case 'muted':
        if (membership?.role === 'slave') {
          membership.voice.becomes(frame.on);
        }
        break;
      case 'attribute':
        membership?.attribute(frame);
        break;
      case 'reset':
        membership?.reset(frame);
        break;
      case 'gap':
        membership?.gap(frame.missed, frame.seq);
        break;
      case 'asked':
        membership?.allAsked();
        break;
      case 'members':
        if (frame.ref !== undefined) {
          this.#answer(connection, frame);
        } else {
          membership?.listed(frame);
        }
        break;
      case 'closed':
        if (frame.ref !== undefined) {
          this.#answer(connection, frame); // of a join that has waited
        } else if (membership?.line && membership.bound && frame.code === Code.REPLACED) {
          membership.letGo(); // by its own move, as it seems: the answer tells
        } else {
          membership?.end(new ClosedError(frame.code, frame.reason));
        }
        break;
      case 'shutdown':
        this.#link.spread(connection, frame.timeout_ms);
        break;
      default:
        if (frame.ref !== undefined) {
          this.#answer(connection, frame);
          this.#moving.look();
        } else if (frame.type === 'awaiting') {
          membership?.inquiries.over(frame);
        } else if ((frame.type === 'created' || frame.type === 'joined') && membership) {
          this.#roleChanged(membership, connection, frame);
        } else if (frame.type === 'created' && !this.memberships.has(frame.channel)) {
          // What was given up has become the master before it had left, and leaves as that.
          connection.send({ type: 'leave', channel: frame.channel, epoch: frame.epoch });
        }
    }
  }

  // By a hand-over a membership is over, and another one begins on the same connection. Where the one who was the
  // master has given up, it leaves.
  #roleChanged(membership, connection, frame) {
    const { channel, token, ownToken } = membership;
    const role = frame.type === 'created' ? 'master' : 'slave';
    if (role === membership.role) {
      return;
    }
    const next = Object.assign(this.#membership(role, channel), { token, ownToken, announced: true, shows: true });
    const wanted = membership.becomes(next, connection);
    this.enter(next, frame, connection);
    const now = role === 'master' ? frame.username : frame.master.username;
    membership.end(new ClosedError(Code.HANDED_OVER, `${quoted(now)} is the master now`));
    if (!wanted) {
      next.push({ type: 'leave', channel, epoch: next.epoch });
      next.end(new ClosedError(Code.LEFT));
    }
  }

  // An ack names no channel, and the answer to a switch the one it leads to. Nobody takes
  // an answer that comes again, since its frame came to the hub a second time.
  #answer(connection, frame) {
    const { type, channel } = frame;
    if (this.#calls.answer(frame) || this.#moving.answer(connection, frame) || this.#on(connection).some((each) => each.answer(frame))) {
      return;
    }
    if (type === 'joined' && !this.memberships.has(channel) && !this.#calls.entering.includes(channel)) {
      // The membership from which this client has switched has ended meanwhile, and the switch with it: nobody wants what
      // it leads to.
      connection.send({ type: 'leave', ref: this.nextRef(), channel });
    }
  }

  #settled({ frame: { type }, enters, tries, on }, frame) {
    const refusal = this.#wrongRole(frame, enters, on) ?? (enters && this.#alreadyIn(frame));
    if (!refusal && enters) {
      enters.announced ||= type === 'resume' || tries > 1;
      enters.remade = type === 'create' && tries > 1;
      this.enter(enters, frame, on);
    }
    return refusal;
  }

  // A resume, and a seat that the service gives back, may turn out to be of the other role.
  #wrongRole(frame, enters, connection) {
    if (!enters || frame.type === (enters.role === 'master' ? 'created' : 'joined')) {
      return undefined;
    }
    this.#letGo(connection);
    return new RefusedError(Code.FORBIDDEN, `the membership is of the other role by now: ${enters.role === 'master' ? 'join, or resume as a slave' : 'create, or resume as the master'}`);
  }

  // The service may take two names of channels for the same.
  #alreadyIn({ channel }) {
    return this.memberships.has(channel)
      ? new RefusedError(Code.FORBIDDEN, `this client is in ${quoted(channel)} already`) : undefined;
  }

  // The connection is given up, so that a membership on it that nobody here wants
  // is away, and can be resumed elsewhere. The others come back.
  #letGo(connection) {
    connection.giveUp('a resume was given up');
  }

  /** close leaves every channel on purpose and closes the connection. */
  async close() {
    const channels = [...new Set([...this.memberships.keys(), ...this.#calls.entering])];
    await this.#end(channels, Close.LEFT, () => this.#endAll(new ClosedError(Code.LEFT)));
  }

  /** detach closes the connection, and keeps the seats: it returns what it takes to come back to them. */
  async detach() {
    if (this.closed || this.detaching) {
      throw new ConnectionError('the client is closed');
    }
    this.detaching = new ClosedError(Code.DETACHED, 'the seat is kept, and its ticket leads back to it');
    this.#calls.giveUp(this.detaching);
    this.memberships.forEach((membership) => membership.giveUpSwitches(this.detaching));
    await this.#settledWithin(this.options.closeTimeout);
    const kept = [...this.memberships.values()].filter(({ leaving }) => !leaving);
    const tickets = kept.map(({ ticket }) => ticket).sort((one, other) => (one.channel < other.channel ? -1 : 1));
    await this.#end(this.#calls.entering, Close.IDLE, () => {
      kept.forEach((membership) => membership.end(this.detaching, true));
      this.#endAll(new ClosedError(Code.LEFT));
    });
    return tickets;
  }

  /** progress is told when something that was under way is over. */
  progress() {
    const under = [...this.memberships.values()].some(({ leaving, pending }) => leaving || pending.length > 0);
    if (this.closed || (!under && this.#calls.entering.length === 0)) {
      this.#whenSettled?.();
    }
  }

  // What was sent is answered, as far as that comes in time.
  async #settledWithin(milliseconds) {
    await new Promise((resolve) => {
      const cancel = later(milliseconds, resolve);
      this.#whenSettled = () => {
        cancel();
        resolve();
      };
      this.progress();
    });
  }

  async #end(leaving, number, endAll) {
    this.closed = true;
    this.progress();
    const ended = this.#link.ended();
    leaving.forEach((channel) => this.undo(channel, ended));
    // What is decided before the close is over for who enters after it.
    const frames = leaving.slice(0, MAX_LEAVES).map((channel) => ({ type: 'leave', channel }));
    const lines = new Map([...this.memberships.values()].map(({ channel, line }) => [channel, line]));
    endAll();
    this.#calls.failAll('the client is closed');
    await this.#link.leave((connection) => frames.filter(({ channel }) => (lines.get(channel) ?? connection) === connection), number);
  }
}
