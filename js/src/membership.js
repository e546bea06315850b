import { checkFits } from './attributelimits.js';
import { Attributes } from './attributes.js';
import { MAX_TRIES } from './calls.js';
import { Confirming } from './confirming.js';
import { Counts } from './counts.js';
import { Door } from './door.js';
import { ClosedError, Code, ConnectionError, DeclinedError, RefusedError, UnknownOutcomeError, refusalIn } from './errors.js';
import { failureOf } from './failure.js';
import { AttributeEvent, ClosedEvent, GapEvent, PresenceEvent, PromotedEvent, StateEvent } from './happenings.js';
import { Inbox } from './inbox.js';
import { Inquiries } from './inquiries.js';
import { endOf, isOver, leftOf, tooLate, whenOver } from './late.js';
import { Message } from './message.js';
import { quoted } from './names.js';
import { payloadOf } from './payload.js';
import { after, presence, stateOf } from './presence.js';
import { Questions } from './questions.js';
import { Roster } from './roster.js';
import { MAX_PAGE } from './shapes.js';
import { later } from './timer.js';
import { Voice } from './voice.js';
import { Waiting, answerOf } from './waiting.js';
import { SendWindow } from './window.js';

// How many answers the hub remembers for each member, and so how many requests
// may be unanswered: more could not be recognised after a resume.
const ANSWERS = { master: 256, slave: 32 };

/**
 * Membership is what a master and a slave have in common: it is on at most one
 * connection at a time, and lives over any number of them.
 */
export class Membership {
  username = '';
  secret = '';
  // That of the ticket: it counts the connections of the membership.
  epoch = 0;
  // What the service was shown last. ownToken: the application has given it for this
  // membership, and it is shown again at each resume.
  token = undefined;
  ownToken = false;
  // X: how long the master may be away, in milliseconds.
  timeout = 0;
  // Why it is over, or null.
  error = null;
  // The connection that holds the membership, or null. Requests are written on it, and
  // wait otherwise.
  line = null;
  // The connection on which it is being resumed, or null; and the one that has refused it, so that it
  // stays where it is.
  bound = null;
  refusedOn = null;
  // The ref of the resume that is under way, or zero, and that of a switch or hand-over that is repeated before.
  resuming = 0;
  repeating = 0;
  // The hub is told at once, by a frame, that this client has the membership: where another
  // one may have the same ticket, or where there are two secrets. Else the first frame that
  // there is to send tells it.
  announced = false;
  // The membership that this one has become by a hand-over, or null.
  next = null;
  // The hub may not know yet that this client knows what it is since a hand-over: frames show the epoch.
  shows = false;
  // The create that has made it was written more than once: slaves may have joined before its answer.
  remade = false;
  // The attributes of the create or join that has made it, or undefined.
  enteredWith = undefined;
  // It is being left on purpose.
  leaving = false;
  // The requests without an answer, in the order of their refs.
  pending = [];
  // The number of the newest message that has arrived, and that was taken.
  last = 0;
  taken = 0;
  // The number of the newest message that this client got when it had this role before, and that of those in the
  // other role.
  had = 0;
  hadOther = 0;
  // The connection was lost, and the membership is not back yet.
  lost = false;
  // The hub of the connection takes on nothing new: what is asked for waits for the next one.
  held = false;
  // The addresses whose hubs do not have it, since it was last on one.
  lostBy = new Set();
  // What a slave knows of its master.
  master = null;
  // What the join or switch waits for that makes it.
  waiting = new Waiting();
  // Resolves when it has all that it is asked again, over any number of connections, or is over. Null: nothing is
  // asked again.
  asked = null;

  // What was last read of it. Stores of frameworks take another object for a change.
  #ticket = null;
  #cancelLifeline = () => {};
  // The hub is about to tell that the master is away, which is known.
  #knownAway = false;
  #resolveClosed;
  #resolveAsked;

  constructor(session, role, channel) {
    this.session = session;
    this.role = role;
    this.channel = channel;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.announced = role === 'master';
    this.confirming = new Confirming(this);
    this.window = new SendWindow(ANSWERS[role]);
    this.roster = new Roster((slave, number, heard) => this.#slaveChanged(slave, number, heard));
    this.attributes = new Attributes((attribute) => {
      this.inbox.add(attribute);
      this.#fire(new AttributeEvent(attribute));
    });
    this.voice = new Voice((entry, event) => {
      this.inbox.add(entry);
      this.#fire(event);
    });
    this.counts = new Counts((entry, event) => {
      this.inbox.add(entry);
      this.#fire(event);
    });
    this.door = new Door((entry, event) => {
      this.inbox.add(entry);
      this.#fire(event);
    });
    this.inquiries = new Inquiries(this, session.options.inbox.bytes);
    this.questions = new Questions(session.options.inbox);
    this.inbox = new Inbox(session.options.inbox, (entry, dropped, number) => this.#took(entry, dropped, number));
  }

  get state() {
    if (this.error) {
      return 'closed';
    }
    return this.lost ? 'reconnecting' : 'online';
  }

  /** counted: this is a master that is told no more of its slaves than how many they are. */
  get counted() {
    return this.role === 'master' && this.session.options.countSlaves;
  }

  /** page asks for the slaves that have joined behind the membership of that number, a page of them. */
  async page(after, signal) {
    const { members, more } = await this.perform({ type: 'members', channel: this.channel, after, limit: MAX_PAGE }, { signal });
    return { members: members.sort((a, b) => a.number - b.number), more };
  }

  /** openRequests are the messages that ask and were not answered, but for those that wait in the inbox. */
  get openRequests() {
    return this.questions.taken(this.inbox.firstWaiting);
  }

  get attached() {
    return this.line !== null;
  }

  /** push writes a frame to the connection that holds the membership, if there is one. */
  push(frame) {
    this.line?.send(frame);
  }

  get ticket() {
    const { role, channel, username, secret: resume, epoch, taken: last } = this;
    const known = this.#ticket;
    if (known?.last !== last || known.resume !== resume || known.epoch !== epoch) {
      this.#ticket = Object.freeze({ channel, username, role, resume, epoch, last });
    }
    return this.#ticket;
  }

  /**
   * perform sends a request and waits for its answer, over as many connections as
   * it takes. Requests are sent in the order of the calls.
   */
  perform(frame, { signal, enters, asks } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted || this.error || this.session.detaching) {
        reject(this.error ?? this.session.detaching ?? signal.reason);
        return;
      }
      const request = {
        frame, enters, asks, written: false, repeated: false, abandoned: false, slow: 0, tried: false, tries: 0, end: endOf(frame.expires_ms),
      };
      const stop = whenOver(request.end, () => this.#late(request));
      const abort = () => {
        stop();
        this.#abandon(request);
        reject(signal.reason);
      };
      request.settle = (answer, error) => {
        stop();
        signal?.removeEventListener('abort', abort);
        if (error) {
          reject(error);
        } else {
          resolve(answer);
        }
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.window.enter(request, () => this.enqueue(request));
    });
  }

  /** send sends a payload and returns its receipt. */
  async send(frame, value, { signal, asks } = {}) {
    return this.deliver({ ...frame, payload: this.payloadOf(value) }, { signal, asks });
  }

  /** payloadOf is what is sent for a value. */
  payloadOf(value) {
    return payloadOf(value, this.session.options.maxMessageBytes);
  }

  /** decline says no in the place of an answer. */
  async decline({ from, requestId: reply }, code, message, signal) {
    const to = this.role === 'master' ? { to: from } : {};
    return this.deliver({ ...to, reply, failed: failureOf(code, message) }, { signal });
  }

  /** deliver sends what has a payload, or says no, and returns its receipt. */
  async deliver(frame, options) {
    const answer = await this.perform({ ...frame, type: 'send', channel: this.channel }, options);
    return Object.freeze({ seq: answer.seq ?? 0, slaves: answer.slaves ?? 0 });
  }

  /** set sets an attribute, or deletes it where there is no payload. */
  async set(key, payload, signal) {
    if (payload) {
      checkFits(this.role, { key, payload });
    }
    await this.perform({ type: 'set', channel: this.channel, key, payload }, { signal });
  }

  /** operate is an operation that is answered by a mere acknowledgement. */
  async operate(frame, signal) {
    await this.perform({ ...frame, channel: this.channel }, { signal });
  }

  /** leave tells the hub within the client's closeTimeout, and ends it in any case. */
  async leave() {
    this.leaving = true;
    this.session.undo(this.channel, this.closed);
    const controller = new AbortController();
    const cancel = later(this.session.options.closeTimeout, () => controller.abort());
    try {
      await this.perform({ type: 'leave', channel: this.channel }, { signal: controller.signal });
    } catch (error) {
      if (error.code === Code.ROLE_CHANGED && !this.next) {
        // What the member has become is told behind that.
        const late = new Promise((resolve) => { controller.signal.addEventListener('abort', resolve, { once: true }); });
        await Promise.race([this.closed, late]);
      }
      // Where the hub could not be told, it finds out by the absence.
      if (this.next) {
        throw error; // the member has another role since, in which it has not left
      }
    } finally {
      cancel();
    }
    this.end(new ClosedError(Code.LEFT));
  }

  /** handOver makes a slave the master, and returns the handle of the slave that this one is then, or null. */
  async handOver(to, stay, signal) {
    await this.perform({ type: 'hand_over', channel: this.channel, to, stay }, { signal });
    return stay ? this.next?.handle ?? null : null;
  }

  /**
   * becomes is told by the connection that the member has another role from now on. What has no answer ends: the hub
   * has refused it, or will. It returns whether there is somebody who wants the next membership.
   */
  becomes(next, connection) {
    const handing = this.pending.find(({ frame }) => frame.type === 'hand_over' && (!this.repeating || frame.ref === this.repeating));
    this.next = next;
    next.had = this.hadOther;
    next.hadOther = Math.max(this.had, this.last);
    this.leaving = false;
    const refusal = new RefusedError(Code.ROLE_CHANGED, 'the mastership was handed over while it was on its way');
    for (const request of this.window.clear()) {
      request.settle(undefined, refusal);
    }
    if (handing && next.role === 'slave') {
      this.#remove(handing);
      handing.settle({ type: 'ack' });
    }
    for (const request of [...this.pending]) {
      // On an earlier connection the hub may have carried it out.
      const unknown = request.written && (request.repeated || this.line !== connection);
      this.fail(request, unknown ? new UnknownOutcomeError(refusal) : refusal);
    }
    if (next.role === 'master') {
      this.inbox.add(Object.freeze({ type: 'promoted', master: next.handle }));
      this.#fire(new PromotedEvent(next.handle));
      return true;
    }
    return Boolean(handing && !handing.abandoned);
  }

  /**
   * enqueue makes a request the next one that is sent. It has a place in the
   * window, or is outside of it.
   */
  enqueue(request) {
    request.frame.ref = this.session.nextRef();
    this.pending.push(request);
    if (this.attached && (!this.held || request.frame.type === 'leave')) {
      this.#write(request);
    }
  }

  #write(request, connection = this.line) {
    request.repeated = Boolean(request.repeated || request.written);
    if (request.enters && request.place) {
      request.frame.ref = this.session.nextRef(); // by which it is later than the one before
    }
    if (request.repeated && request.frame.type === 'hand_over') {
      // The connection may have no membership of the channel. Who stays comes back by it, with a token.
      const { username, secret, token, session: { instance } } = this;
      Object.assign(request.frame, { username, secret, instance, token: request.frame.stay ? token : undefined });
    }
    request.written = true;
    if (request.end > 0) {
      // It does not grow where the clock is set back.
      request.frame.expires_ms = Math.min(leftOf(request.end), request.frame.expires_ms);
    }
    request.place = this.session.nextWrite();
    request.tried = true;
    // Where it is not a member, it has nothing to show.
    connection.send(connection === this.line ? this.confirming.along(request.frame) : request.frame);
  }

  /** switching is a switch that was written and has no answer, or undefined. */
  get switching() {
    return this.pending.find(({ enters, written }) => enters && written);
  }

  /** handing is a hand-over that was written and has no answer, or undefined. */
  get handing() {
    return this.pending.find(({ frame, written }) => frame.type === 'hand_over' && written);
  }

  /** undecided is what of the two there is: a membership is over by it, and another one begins. */
  get undecided() {
    return this.role === 'master' ? this.handing : this.switching;
  }

  /**
   * repeatFirst sends a switch or a hand-over once more that was written on an earlier connection, and reports
   * whether there is one. It comes before a resume: where the hub has carried it out, there is
   * nothing to resume.
   */
  repeatFirst(connection) {
    const { undecided } = this;
    if (undecided) {
      this.#repeat(undecided, connection);
    }
    return Boolean(undecided);
  }

  /**
   * handsOverAgain is repeatFirst behind a resume that was refused: the hub may have read the hand-over late from the
   * connection that was lost, or it was another one that it has carried out. Each is tried once.
   */
  handsOverAgain(connection) {
    const request = this.pending.find(({ frame, written, again }) => frame.type === 'hand_over' && written && !again);
    if (request) {
      request.again = true;
      this.bind(connection);
      this.#repeat(request, connection);
    }
    return Boolean(request);
  }

  #repeat(request, connection) {
    this.bound = connection;
    this.#write(request, connection);
    this.repeating = request.frame.ref;
  }

  #remove(request) {
    const index = this.pending.indexOf(request);
    if (index >= 0) {
      this.pending.splice(index, 1);
      request.gone?.();
      if (!request.outside) {
        this.window.leave();
      }
      this.session.progress();
    }
  }

  /** giveUpSwitches ends the switches that are under way. What they may have entered is left. */
  giveUpSwitches(error) {
    for (const request of this.pending.filter(({ enters, abandoned }) => enters && !abandoned)) {
      this.#abandon(request);
      request.settle(undefined, error);
    }
  }

  // Nobody waits for the request any more. One that was written keeps its place
  // until it is answered or the connection is lost.
  #abandon(request) {
    request.abandoned = true;
    request.enters?.waiting.takeBack(() => this.session.nextRef());
    if (!this.window.forget(request) && !request.written) {
      this.#remove(request);
    } else if (request.enters && this.pending.includes(request)) {
      this.session.undo(request.enters.channel, new Promise((gone) => {
        request.gone = gone;
      }));
    }
  }

  // The time of a message is over. One that was written is still answered, unless its
  // connection is lost.
  #late(request) {
    if (this.window.forget(request)) {
      request.settle(undefined, tooLate(request));
    } else if (!request.written) {
      this.fail(request, tooLate(request));
    }
  }

  /** fail gives up a request that must not be sent again. */
  fail(request, error) {
    this.#remove(request);
    request.settle(undefined, error);
  }

  /** waits takes a waiting frame that is for a switch of this member, and reports whether it is. */
  waits(connection, frame) {
    const { switching } = this;
    if (switching?.frame.ref !== frame.ref) {
      return false;
    }
    switching.tries = 0; // its connection is not lost because of it
    switching.enters.waiting.take(connection, frame);
    if (switching.abandoned) {
      switching.enters.waiting.takeBack(() => this.session.nextRef());
    }
    return true;
  }

  /** answer gives a frame to the request that it answers, and reports whether there is one. */
  answer(frame) {
    if (this.inquiries.verified(frame)) {
      return true;
    }
    const request = this.pending.find((each) => each.frame.ref === frame.ref);
    if (!request) {
      return false;
    }
    if (frame.code === Code.SHUTTING_DOWN) {
      this.#hold(request);
      return true;
    }
    this.#remove(request);
    this.shows &&= frame.type === 'error';
    this.#answeredQuestion(request.frame, frame);
    let given = request.enters ? answerOf(frame) : frame;
    if (request.repeated && ['kick', 'admit', 'deny'].includes(request.frame.type) && frame.code === Code.NO_SUCH_SLAVE) {
      // What was sent before the connection was lost has worked.
      given = { type: 'ack', ref: frame.ref };
    }
    if (request.enters && frame.type === 'joined') {
      request.enters.announced = request.repeated;
      this.#switched(request, frame);
    }
    if (request.frame.type === 'set' && frame.type === 'ack') {
      this.attributes.set(this.username, request.frame, frame.seq);
    }
    if (request.frame.type === 'mute' && request.frame.to === undefined && frame.type === 'ack') {
      this.voice.becomes(request.frame.on, true);
    }
    if (request.frame.type === 'door' && frame.type === 'ack') {
      this.door.mode = request.frame.door;
    }
    if (request.asks && frame.type === 'ack') {
      this.inquiries.accepted(request.asks, frame.seq, request.repeated, request.abandoned);
    }
    if (request.asks) {
      this.inquiries.settled();
    }
    request.settle(given, refusalIn(given));
    if (request.frame.type === 'hand_over' && frame.type === 'ack') {
      this.end(new ClosedError(Code.HANDED_OVER, `${quoted(request.frame.to)} is the master now`));
    }
    return true;
  }

  // Whether the answer was accepted, or is not awaited any more, the question is not open.
  #answeredQuestion({ reply }, { type, code }) {
    if (reply && (type === 'ack' || code === Code.NO_SUCH_REQUEST || code === Code.NO_SUCH_SLAVE)) {
      this.questions.remove(reply);
    }
  }

  // Nothing has happened: it is asked for again on the connection that follows. One that was written before
  // and has had no answer may still have been carried out then.
  #hold(request) {
    this.held = true;
    request.written = request.repeated;
    if (request.abandoned && !request.written) {
      this.#remove(request);
    } else if (!request.written && isOver(request.end)) {
      this.fail(request, tooLate(request));
    }
  }

  #switched(request, frame) {
    this.session.enter(request.enters, frame, this.line ?? this.bound);
    this.end(new ClosedError(Code.LEFT, 'switched to another channel'));
    if (request.abandoned) {
      request.enters.push({ type: 'leave', channel: request.enters.channel });
      request.enters.end(new ClosedError(Code.LEFT));
    }
  }

  /** bind is told that it is being resumed on the connection; where resuming is zero, that it will be. */
  bind(connection, resuming = 0) {
    this.bound = connection;
    this.resuming = resuming;
    this.repeating = 0;
  }

  /** attach is told that the connection holds the membership. */
  attach(connection) {
    const back = this.lost;
    this.line = connection;
    connection.worked = true;
    this.bind(null);
    this.lost = this.held = false;
    this.lostBy.clear();
    this.#cancelLifeline();
    this.#dropAbandoned(true);
    if (this.announced) {
      this.confirming.confirm();
    }
    for (const request of this.pending.filter(({ end }) => isOver(end))) {
      this.fail(request, tooLate(request));
    }
    for (const request of this.pending) {
      this.#write(request);
    }
    this.inquiries.verifyAll();
    if (back) {
      this.#fire(new StateEvent('online'));
    }
  }

  // An abandoned request for answers is asked once more, so that its number
  // is learned and it can be withdrawn; and so is a hand-over, unless it is known that it has not
  // been carried out.
  #dropAbandoned(known) {
    this.pending.filter(({ abandoned, asks, frame }) => abandoned && !asks && (known || frame.type !== 'hand_over'))
      .forEach((request) => this.#remove(request));
  }

  /** letGo is told that the connection is gone, and that it is being resumed on another one. */
  letGo() {
    this.line = null;
    this.confirming.stop();
  }

  /** lose is told that the connection is gone: nothing is known from now on, for at most X. */
  lose() {
    this.letGo();
    this.bind(null);
    for (const request of [...this.pending]) {
      request.enters?.waiting.over();
      // A connection that could not be made was none. Who was told to wait does so for as long as it is a member here.
      const patient = request.enters?.waiting.told && !request.abandoned;
      if (request.enters && request.tried && !patient && ++request.tries >= MAX_TRIES) {
        this.fail(request, new ConnectionError('no answer to join: the connection was lost each time'));
      }
      request.tried = false;
    }
    this.#dropAbandoned(false);
    if (this.lost) {
      return;
    }
    this.lost = true;
    const own = this.role === 'master';
    const name = own ? this.username : this.master.username;
    const unknown = presence('master', name, 'unknown', { deadline: after(this.timeout) });
    if (!own) {
      this.master = unknown;
    }
    this.#fire(new StateEvent('reconnecting'));
    this.#tell('presence', unknown);
    this.#cancelLifeline = later(this.timeout, () => this.end(this.lostBy.size > 0
      ? new ClosedError(Code.HUB_LOST, 'no hub that could be reached has it')
      : new ClosedError(Code.MASTER_DOWN, `the hub could not be reached for ${this.timeout / 1000} s`), true));
  }

  /** end is the end of the membership. resumable: not by the hub's word, nor this side's wish. */
  end(why, resumable = false) {
    if (this.error) {
      return;
    }
    this.attributes.settle();
    this.roster.tellDeparted();
    this.error = this.leaving && (why.code === Code.RESUME_FAILED || why.code === Code.HUB_LOST) ? new ClosedError(Code.LEFT) : why;
    if (this.leaving) {
      this.bound?.send({ type: 'leave', channel: this.channel });
    }
    this.letGo();
    this.bind(null);
    this.#cancelLifeline();
    this.session.forget(this, resumable);
    if (this.role === 'slave' && this.master) {
      this.master = presence('master', this.master.username, 'gone');
    }
    for (const request of this.window.clear()) {
      request.settle(undefined, this.error);
    }
    for (const request of this.pending.splice(0)) {
      request.gone?.();
      request.enters?.waiting.takeBack(() => this.session.nextRef()); // nothing is left to switch from
      request.settle(undefined, request.written ? new UnknownOutcomeError(this.error) : this.error);
    }
    this.inquiries.end(this.error);
    this.questions.clear();
    this.inbox.end(this.error.code === Code.DETACHED);
    this.session.progress();
    this.allAsked();
    this.roster.settle();
    this.#resolveClosed(this.error);
    this.#fire(new StateEvent('closed'));
    this.#fire(new ClosedEvent(this.error));
  }

  /** entered takes over what created or joined tells, the first time or after a resume. */
  entered(frame) {
    this.attributes.settle();
    const first = this.secret === '';
    const back = this.lost;
    this.shows &&= first; // by its secret the member has shown it
    this.line = null; // nothing is sent before the ticket is stored
    this.secret = frame.secret;
    this.epoch = frame.epoch ?? 0;
    this.confirming.begin(frame);
    if (first) {
      this.channel = frame.channel; // the service may have taken other names than were asked for
      this.username = frame.username;
      this.timeout = frame.master_timeout_ms ?? 0;
      this.enteredWith?.forEach((attribute) => this.attributes.set(this.username, attribute));
    }
    this.voice.becomes(frame.muted ?? false, first || this.role === 'master');
    if (frame.attributes) {
      this.attributes.toldOwn(this.username, frame.attributes);
    }
    this.#askedAgain(frame.asks);
    if (this.role === 'slave') {
      const { username, state } = frame.master;
      // A move changes nothing by itself.
      const same = this.master?.username === username && this.master.state === state;
      this.#knownAway = same && state === 'away';
      this.#masterIs(username);
      if (!same) {
        this.master = presence('master', username, state);
        if (!first && state === 'online') {
          this.#tell('presence', this.master);
        }
      }
      return;
    }
    if (back) {
      this.#tell('presence', presence('master', this.username, 'online'));
    }
    if (frame.gap) {
      this.gap(0);
    }
    this.door.listed(frame);
    if (this.counted) {
      this.counts.becomes(frame, first);
    }
    if (frame.members) {
      // What a handle begins with was there before, unless it has made the channel itself.
      this.#compare(frame, 'left while the master was away', !first || this.remade);
    }
  }

  // Where the slave's master has another name than before, what is known of the one before, and was asked of it, is
  // the new one's.
  #masterIs(name) {
    const before = this.master?.username ?? name;
    if (before !== name) {
      this.attributes.rename(before, name);
      this.inbox.rename(before, name);
      this.questions.removeFrom(before, Infinity); // what that one asks is over
      this.inquiries.masterIs(name);
    }
  }

  // Where the answer does not say that it is asked again, all has come: of a membership that was lost meanwhile
  // the hub knows how far it has got.
  #askedAgain(more) {
    if (!more) {
      this.allAsked();
    } else if (!this.asked) {
      this.asked = new Promise((resolve) => {
        this.#resolveAsked = resolve;
      });
    }
  }

  /** allAsked is told that it has all that it is asked again. */
  allAsked() {
    this.#resolveAsked?.();
    this.asked = null;
  }

  /**
   * listed takes in a list of the slaves that nobody has asked for. It stands for the
   * changes since the last one, after this side did not take them fast enough.
   */
  listed(frame) {
    this.attributes.settle();
    if (this.counted && !frame.members) {
      this.counts.becomes(frame);
    }
    if (this.role === 'master' && frame.members) {
      this.roster.tellDeparted();
      this.#compare(frame, 'left while the master did not keep up', true);
    }
  }

  #compare(frame, reason, follows) {
    this.roster.compare(frame, reason, this.last, follows, (name) => this.#forgetAttributes(name));
  }

  // number is that of the membership of one that has left, and heard that up to which messages from its
  // name were its own.
  #slaveChanged(slave, number, heard) {
    if (slave.state === 'gone') {
      this.questions.removeFrom(slave.username, heard);
      this.inquiries.departs(slave.username, number, slave.reason);
    }
    this.inquiries.slave(slave, number);
    if (!this.counted) {
      this.#tell('member', slave);
    }
  }

  /**
   * message takes in a message. What a replay brings a second time is dropped, but for what this
   * member is to answer: another client was asked, whose ticket this one has.
   */
  message(frame) {
    this.attributes.settle();
    if (frame.seq <= this.last) {
      if (frame.request) {
        this.#asks(this.#messageOf(frame));
      }
      return;
    }
    this.last = frame.seq;
    if (!this.asked) { // what is asked again comes in front of attributes with lower numbers
      this.attributes.arrived(frame.seq);
    }
    this.confirming.arrived(frame.payload?.bytes.length ?? 0);
    if (frame.failed) {
      const { code, message } = frame.failed;
      this.inquiries.reply({ from: frame.from, replyTo: frame.reply, error: new DeclinedError(code, message) });
    } else if (frame.request || !this.#hasHad(frame.seq)) {
      this.#arrived(this.#messageOf(frame));
    }
    this.roster.arrived(this.last);
  }

  // When this client was the master before it may have got what the hub was not told to have arrived.
  #hasHad(seq) {
    return seq > 0 && seq <= this.had;
  }

  #arrived(message) {
    if (message.requestId !== 0) {
      this.#asks(message);
    }
    if (message.replyTo !== 0) {
      this.inquiries.reply({ from: message.from, replyTo: message.replyTo, message });
    } else {
      this.inbox.add(message);
    }
  }

  // What a master that is it no more has asked is over.
  #asks(message) {
    if (this.role === 'master' || message.from === this.master?.username) {
      this.questions.add(message);
    }
  }

  #messageOf(frame) {
    return new Message(frame, this.handle);
  }

  /** attribute takes in a change of an attribute. */
  attribute(frame) {
    this.roster.tellDeparted(frame.from); // it is of the one who is there now
    this.attributes.changed(frame.from, frame.key, frame.payload, frame.seq);
    this.#noted(frame.seq);
  }

  /** reset takes in that attributes are told anew. */
  reset(frame) {
    this.attributes.reset(frame);
    this.#noted(frame.seq);
  }

  // Those of a membership that is over are told to nobody any more.
  #forgetAttributes(username) {
    this.attributes.forget(username);
    this.inbox.forget(username);
  }

  // What has the number has come, and everything before it.
  #noted(seq = 0) {
    this.last = Math.max(this.last, seq);
    this.attributes.arrived(seq);
    this.roster.arrived(this.last);
  }

  /** presence takes in a change of the master, on a slave's side, or of a slave. */
  presence(frame) {
    const { username, reason } = frame;
    this.attributes.settle();
    if (this.role === 'master') {
      this.roster.tellDeparted(); // a change comes behind everything that was missed
      // Hubs of before tell who is new by the number alone.
      const joined = Boolean(frame.joined || frame.number);
      if (joined || frame.state === 'left') {
        this.#forgetAttributes(username); // what comes with it, or behind it, is of another membership
      }
      this.roster.change(presence('slave', username, stateOf(frame.state), { reason, joined }), frame.number);
      for (const { key, payload } of frame.attributes ?? []) {
        this.attributes.changed(username, key, payload, frame.seq);
      }
      this.#noted(frame.seq);
      return;
    }
    const deadline = frame.state === 'away' ? after(frame.timeout_ms ?? 0) : null;
    this.#masterIs(username);
    this.master = presence('master', username, stateOf(frame.state), { deadline, reason });
    if (!this.#knownAway || frame.state !== 'away') {
      this.#tell('presence', this.master);
    }
    this.#knownAway = false;
  }

  /**
   * gap takes in that messages were lost in this place. seq is the number of the newest one, where
   * that is known: a replay can tell a second time of what has expired.
   */
  gap(missed, seq = 0) {
    this.attributes.settle();
    if (seq > 0) {
      if (seq <= this.last) {
        return;
      }
      this.last = seq;
      this.confirming.arrived(0);
    }
    if (!this.#hasHad(seq)) {
      this.inbox.add(Object.freeze({ type: 'gap', missed }), seq);
      this.#fire(new GapEvent(missed));
      this.inquiries.lost();
    }
    this.roster.arrived(this.last);
  }

  #took(entry, dropped, number) {
    const taken = entry.type === 'message' ? entry.seq : number;
    if (taken > this.taken) {
      this.taken = taken;
      this.session.keep(this);
    }
    if (dropped) {
      this.#fire(new GapEvent(entry.missed));
    }
  }

  #tell(type, change) {
    this.inbox.add(change);
    this.#fire(new PresenceEvent(type, change));
  }

  // The application's listeners run when this side's state is in order again.
  #fire(event) {
    queueMicrotask(() => this.handle.dispatchEvent(event));
  }
}
