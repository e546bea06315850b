import { AnswerQueue } from './answers.js';
import { Code, GapError, RefusedError, passes, refusalIn } from './errors.js';
import { Gathering } from './gathering.js';
import { endOf, isOver, leftOf } from './late.js';
import { MAX_PAGE } from './shapes.js';

/** Inquiry is a request of this member on its way to its answers. */
class Inquiry {
  // The request's number, zero until the hub has accepted it.
  seq = 0;
  // Those who are to answer: the numbers of their memberships, by their names. A number is
  // zero where it is not known.
  awaited = new Map();
  // Unknown: they are not known yet, because the hub accepted the request on a
  // connection that was lost before it told so.
  unknown = false;
  // Those that the hub has told of so far who are to answer, while it tells them in pages.
  listed = new Map();
  // The ref of the question who is still to answer, while it is under way.
  verifying = 0;
  // Messages were lost since that was asked, so that it must be asked again.
  stale = false;
  // The hub has refused for now to tell who is still to answer.
  refused = false;
  // Messages were lost while the request was open.
  gap = false;
  // When its message expires, and with it the request, or zero. At the hub that is a little later.
  end = 0;

  /**
   * @param {string} of the one member that is asked; empty: every slave there is
   * @param {number} limit in bytes, of the answers that wait
   * @param {Gathering} [group] what it is of, where that tells whom it asks
   */
  constructor(of, limit, group) {
    this.of = of;
    this.group = group;
    this.answers = group?.main?.answers ?? new AnswerQueue(limit);
  }

  /** Whether it is of one who has joined while a gathering goes on. */
  get newcomers() {
    return this.group !== undefined && this.group.main !== this;
  }

  /** part ends the part of one who was asked. */
  part(from, message, error) {
    this.awaited.delete(from);
    this.listed.delete(from);
    if (this.unknown) {
      this.group?.answered(from);
    }
    this.answers.add({ from, message, error });
  }

  answeredBy({ from, message = null, error = null }) {
    if (this.unknown || this.awaited.has(from)) {
      this.part(from, message, error);
    }
  }

  /**
   * awaits tells whether it waits for the slave that has left, and not for another one that
   * has its name now. Where that is not known yet, the hub is being asked, and decides.
   */
  awaits(name, number) {
    const awaited = this.awaited.get(name);
    if (awaited === 0) {
      return this.verifying === 0;
    }
    return awaited !== undefined && (number === 0 || number === awaited);
  }

  /** lists takes a page of those who are to answer, and returns the highest of their numbers. */
  lists({ members = [] }) {
    members.forEach(({ username, number = 0 }) => this.listed.set(username, number));
    return Math.max(0, ...members.map(({ number = 0 }) => number));
  }

  /** abandon ends the parts that are left. */
  abandon(why) {
    for (const name of [...this.awaited.keys()].sort()) {
      this.part(name, null, why);
    }
    if (this.unknown) {
      this.answers.add({ from: '', message: null, error: why });
    }
    this.answers.finish();
  }
}

const hasLeft = (name, reason) => new RefusedError(
  Code.NO_SUCH_SLAVE, reason ? `${name} has left: ${reason}` : `${name} has left`);

const notInTime = (name) => new RefusedError(Code.TOO_LATE, `${name} has not answered in time`);

/** Inquiries are the requests of one member that await answers. */
export class Inquiries {
  #membership;
  #limit;
  #open = new Map();
  #gatherings = new Set();
  // Answers that have come before their request's number.
  #early = [];

  constructor(membership, limit) {
    this.#membership = membership;
    this.#limit = limit;
  }

  /** begin sends a request, and returns the inquiry once the hub has accepted it. */
  async begin(frame, payload, of, signal) {
    const inquiry = new Inquiry(of, this.#limit);
    inquiry.end = endOf(frame.expires_ms);
    await this.#membership.send({ ...frame, asks: true }, payload, { signal, asks: inquiry });
    return inquiry;
  }

  /** gather asks every slave, as begin does, and tells whom. */
  async gather(fields, value, { asked, newcomers }, signal) {
    if (asked === undefined && !newcomers) {
      return this.begin(fields, value, '', signal);
    }
    const frame = { ...fields, asks: true, payload: this.#membership.payloadOf(value) };
    const group = new Gathering(
      { asked, newcomers },
      (inquiry, stop) => this.#membership.deliver(
        { ...frame, to: inquiry.of, ...(inquiry.end && { expires_ms: leftOf(inquiry.end) }) }, { signal: stop, asks: inquiry }),
      (of) => Object.assign(new Inquiry(of, this.#limit, group), { end: group.main.end }),
    );
    group.main = new Inquiry('', this.#limit, group);
    group.main.end = endOf(fields.expires_ms);
    await this.#membership.deliver(frame, { signal, asks: group.main });
    return group.main;
  }

  /** slave is told each change of a slave. */
  slave(change, number) {
    this.#gatherings.forEach((group) => group.slave(change, number));
  }

  /** ask sends a request to one member and waits for its answer. */
  async ask(frame, payload, of, signal) {
    const inquiry = await this.begin(frame, payload, of, signal);
    for await (const { message, error } of this.partsOf(inquiry, signal)) {
      if (message === null) {
        throw error;
      }
      return message;
    }
    throw hasLeft(of);
  }

  /**
   * partsOf yields each part of an inquiry as it ends. When the signal is
   * aborted it ends the parts that are left; whoever does not take them all
   * withdraws the request.
   */
  async *partsOf(inquiry, signal) {
    const { group } = inquiry;
    const abort = () => {
      this.#giveUp(inquiry);
      (group ?? inquiry).abandon(signal.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) {
      abort();
    }
    try {
      yield* inquiry.answers.each(() => this.#verifyAgain(inquiry), () => group?.tell() ?? true);
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#giveUp(inquiry);
      group?.end();
    }
  }

  /** accepted is told that the hub has numbered the request. Those who are there now are those asked. */
  accepted(inquiry, seq, repeated, abandoned) {
    inquiry.seq = seq;
    if (abandoned) {
      this.#withdraw(seq);
      return;
    }
    if (this.#membership.role === 'slave') {
      inquiry.of = this.#membership.master.username; // it may be another one than when it was asked
    }
    this.#open.set(seq, inquiry);
    inquiry.unknown = (repeated || this.#membership.counted) && inquiry.of === '';
    if (inquiry.of !== '') {
      inquiry.awaited.set(inquiry.of, repeated ? 0 : this.#membership.roster.present(inquiry.of).get(inquiry.of) ?? 0);
    } else if (!inquiry.unknown) {
      inquiry.awaited = this.#membership.roster.present();
    }
    if (inquiry.newcomers) {
      inquiry.group.accepted(inquiry);
    } else if (!inquiry.unknown) {
      this.#begins(inquiry);
    }
    for (const answer of this.#early) {
      if (answer.replyTo === seq) {
        this.#answered(inquiry, answer);
      }
    }
    if (repeated || inquiry.unknown) {
      this.#verify(inquiry);
    }
    this.#closeIfAnswered(inquiry);
  }

  /** settled is told that a request was answered by the hub. */
  settled() {
    if (!this.#hasUnnumbered()) {
      this.#early = [];
    }
  }

  /** verifyAll asks the hub, for every open request, who is still to answer. */
  verifyAll() {
    for (const seq of this.#numbers()) {
      this.#verify(this.#open.get(seq));
    }
  }

  /** verified takes the hub's word on who is still to answer, and reports whether the frame is that. */
  verified(frame) {
    for (const inquiry of this.#open.values()) {
      if (inquiry.verifying !== frame.ref) {
        continue;
      }
      inquiry.verifying = 0;
      const last = frame.type === 'awaiting' ? inquiry.lists(frame) : 0;
      if (frame.more) {
        this.#verifyFrom(inquiry, last);
        return true;
      }
      if (passes(refusalIn(frame))) {
        inquiry.refused = true;
        inquiry.answers.refuse();
        return true;
      }
      if (frame.type === 'awaiting') {
        this.#compare(inquiry, inquiry.listed);
        inquiry.listed = new Map();
      } else if (inquiry.unknown) { // else who is awaited stays as it was
        inquiry.answers.add({ from: '', message: null, error: refusalIn(frame) });
      }
      const unknown = inquiry.unknown;
      inquiry.unknown = false;
      if (unknown) {
        this.#begins(inquiry);
      }
      this.#closeIfAnswered(inquiry);
      if (inquiry.stale && this.#isOpen(inquiry)) {
        this.#verify(inquiry);
      }
      return true;
    }
    return false;
  }

  /**
   * reply takes in what answers the request replyTo: a message, or the error where it says no. What
   * nobody waits for is dropped.
   */
  reply(answer) {
    const inquiry = this.#open.get(answer.replyTo);
    if (inquiry) {
      this.#answered(inquiry, answer);
      this.#closeIfAnswered(inquiry);
    } else if (this.#hasUnnumbered()) {
      this.#early.push(answer);
    }
  }

  // Whoever was the master when it answered a slave has answered for the one who is.
  #answered(inquiry, answer) {
    inquiry.answeredBy(this.#membership.role === 'slave' ? { ...answer, from: inquiry.of } : answer);
  }

  /** masterIs is told that a slave's master has another name from now on: what was asked of the one before is the new one's. */
  masterIs(name) {
    for (const inquiry of this.#open.values()) {
      const { of, awaited } = inquiry;
      inquiry.of = name;
      if (awaited.has(of)) {
        awaited.set(name, awaited.get(of));
        awaited.delete(of);
      }
    }
  }

  /** over is told that the time of a request is over. Those who are listed have answered in time. */
  over({ request, code, members = [] }) {
    const inquiry = this.#open.get(request);
    if (!inquiry || inquiry.unknown || code !== Code.TOO_LATE) {
      return; // where it is unknown who was asked, the hub is being asked for that
    }
    for (const name of [...inquiry.awaited.keys()].sort()) {
      if (!members.some(({ username }) => username === name)) {
        inquiry.part(name, null, notInTime(name));
      }
    }
    this.#closeIfAnswered(inquiry);
  }

  /** departs ends the parts of a slave that has left. number is that of its membership, or zero. */
  departs(name, number, reason) {
    for (const inquiry of [...this.#open.values()]) {
      if (number === 0 || inquiry.listed.get(name) === number) {
        inquiry.listed.delete(name);
      }
      if (inquiry.awaits(name, number)) {
        inquiry.part(name, null, hasLeft(name, reason));
        this.#closeIfAnswered(inquiry);
      }
    }
  }

  /** lost is told of a gap, in which answers may have been. */
  lost() {
    for (const seq of this.#numbers()) {
      const inquiry = this.#open.get(seq);
      inquiry.gap = true;
      if (inquiry.verifying > 0) {
        inquiry.stale = true; // gaps can be many: one question at a time
      } else {
        this.#verify(inquiry);
      }
    }
    for (const { asks, written } of this.#membership.pending) {
      if (asks && written) {
        asks.gap = true; // it may have been accepted, and answered, before
      }
    }
  }

  /** end is told that the membership is over. */
  end(why) {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const { group } of open) {
      group?.abandon(why);
    }
    this.#gatherings.forEach((group) => group.abandon(why));
    this.#gatherings.clear();
    for (const inquiry of open.filter(({ group }) => !group)) {
      inquiry.abandon(why);
    }
  }

  // It is known who was asked.
  #begins({ group }) {
    if (group) {
      this.#gatherings.add(group);
      group.begin(this.#membership.roster.present());
    }
  }

  #numbers() {
    return [...this.#open.keys()].sort((a, b) => a - b);
  }

  #isOpen(inquiry) {
    return this.#open.get(inquiry.seq) === inquiry;
  }

  // Once more, unless that is under way, or will be done on the next connection.
  #verifyAgain(inquiry) {
    for (const each of inquiry.group?.all ?? [inquiry]) {
      if (this.#isOpen(each) && this.#membership.attached && each.verifying === 0 && each.refused) {
        this.#verify(each);
      }
    }
  }

  // Its answer is behind every answer that the hub has sent before.
  #verify(inquiry) {
    inquiry.stale = false;
    inquiry.listed = new Map();
    this.#verifyFrom(inquiry, 0);
  }

  // A slave asks for one member, whose number is not told.
  #verifyFrom(inquiry, after) {
    const { session, channel, confirming, role } = this.#membership;
    inquiry.verifying = session.nextRef();
    inquiry.refused = false;
    const page = role === 'master' ? { after, limit: MAX_PAGE } : {};
    this.#membership.push(confirming.along({ type: 'awaiting', ref: inquiry.verifying, channel, request: inquiry.seq, ...page }));
  }

  #compare(inquiry, listed) {
    for (const name of [...inquiry.awaited.keys()].sort()) {
      if (!listed.has(name)) {
        inquiry.part(name, null, this.#unheard(inquiry, name));
      }
    }
    inquiry.awaited = listed;
  }

  // Why one that is not awaited any more was not heard.
  #unheard(inquiry, name) {
    if (!inquiry.gap && isOver(inquiry.end)) {
      return notInTime(name);
    }
    return inquiry.gap || this.#membership.role === 'slave' ? new GapError(1) : hasLeft(name);
  }

  #closeIfAnswered(inquiry) {
    if (inquiry.awaited.size === 0 && !inquiry.unknown) {
      this.#open.delete(inquiry.seq);
      if (inquiry.newcomers) {
        inquiry.group.closed(inquiry);
      } else if (inquiry.group?.goesOn) {
        inquiry.group.endIfOver();
      } else {
        inquiry.answers.finish();
      }
    }
  }

  // The hub has not answered the message of a request yet: answers to it may come before its number is known, where
  // the message was sent again, and where the channel moves to another hub.
  #hasUnnumbered() {
    return this.#membership.pending.some((request) => request.asks);
  }

  #giveUp(inquiry) {
    this.#gatherings.delete(inquiry.group);
    for (const each of inquiry.group?.all ?? [inquiry]) {
      if (this.#isOpen(each)) {
        this.#open.delete(each.seq);
        this.#withdraw(each.seq);
      }
    }
  }

  // Over as many connections as it takes, and outside of the window, since the hub
  // remembers no answer of it. There are no more of these than open inquiries.
  #withdraw(seq) {
    const frame = { type: 'withdraw', channel: this.#membership.channel, request: seq };
    this.#membership.enqueue({ frame, outside: true, settle: () => {} });
  }
}
