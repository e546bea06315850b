/**
 * Lectern's client, for browsers and Node.
 *
 * Times are in milliseconds. A number that is out of its range is a RangeError, and what
 * is no number a TypeError, which name it. Where a signal is given, the promise or iterator is
 * rejected with the signal's reason once it is aborted; what was already sent by
 * then may have been carried out all the same.
 */

// What is used of the platform: its own types where the compiler knows them, by the names of
// the DOM, a worker or Node, and else what is written here.
type Platform<Name extends string, Else> =
  typeof globalThis extends { readonly [name in Name]: { readonly prototype: infer Known } } ? Known : Else;

type PlatformSignal = Platform<'AbortSignal', {
  readonly aborted: boolean;
  readonly reason: any;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}>;

type PlatformURL = Platform<'URL', { readonly href: string; toString(): string }>;

type PlatformEvent = Platform<'Event', { readonly type: string; readonly target: unknown; stopImmediatePropagation(): void }>;
declare const PlatformEvent: new (type: string) => PlatformEvent;

type PlatformEventTarget = Platform<'EventTarget', { dispatchEvent(event: PlatformEvent): boolean }>;
declare const PlatformEventTarget: new () => PlatformEventTarget;

/** Every code of a refusal, of an end, and of this side's own errors. */
export declare const Code: Readonly<{
  // Refusals.
  BAD_FRAME: 'bad_frame';
  UNSUPPORTED: 'unsupported';
  TOO_LARGE: 'too_large';
  RATE_LIMITED: 'rate_limited';
  UNAUTHORIZED: 'unauthorized';
  FORBIDDEN: 'forbidden';
  NO_SUCH_CHANNEL: 'no_such_channel';
  CHANNEL_EXISTS: 'channel_exists';
  WRONG_MASTER: 'wrong_master';
  NAME_TAKEN: 'name_taken';
  BAD_NAME: 'bad_name';
  BANNED: 'banned';
  LOCKED: 'locked';
  DENIED: 'denied';
  CHANNEL_FULL: 'channel_full';
  TOO_MANY_CHANNELS: 'too_many_channels';
  NOT_A_MEMBER: 'not_a_member';
  NO_SUCH_SLAVE: 'no_such_slave';
  NO_SUCH_REQUEST: 'no_such_request';
  BUSY: 'busy';
  TOO_LATE: 'too_late';
  ROLE_CHANGED: 'role_changed';
  MUTED: 'muted';
  ATTRIBUTES_FULL: 'attributes_full';
  RESUME_FAILED: 'resume_failed';
  HUB_LOST: 'hub_lost';
  SHUTTING_DOWN: 'shutting_down';
  // Ends of memberships. RESUME_FAILED is one too: it came back too late. So is HUB_LOST: the hub that
  // had it is gone, and no other one has it, under any of the client's addresses. REPLACED is a refusal
  // too. SHUTTING_DOWN is told to nobody here: what is refused so is asked for again.
  MASTER_LEFT: 'master_left';
  MASTER_DOWN: 'master_down';
  KICKED: 'kicked';
  CHANNEL_CLOSED: 'channel_closed';
  LEFT: 'left';
  EXPIRED: 'expired';
  REVOKED: 'revoked';
  HANDED_OVER: 'handed_over';
  REPLACED: 'replaced';
  SHUTDOWN: 'shutdown';
  // This side's own.
  PROTOCOL_ERROR: 'protocol_error';
  GAP: 'gap';
  UNKNOWN_OUTCOME: 'unknown_outcome';
  CONNECTION: 'connection';
  DECLINED: 'declined';
  DETACHED: 'detached';
}>;

/** One of the codes, or a newer hub's. */
export type Code = (typeof Code)[keyof typeof Code] | (string & {});

/** What every error of this module is, but for a TypeError or RangeError on wrong arguments. */
export declare class LecternError extends Error {
  constructor(code: Code, reason?: string, options?: { cause?: unknown });
  readonly code: Code;
  /** Says more, for people. It may come from the other side. */
  readonly reason: string;
}

/**
 * It was refused, and nothing has happened. What a hub refuses because it shuts down waits, and is asked
 * for again on the next connection.
 */
export declare class RefusedError extends LecternError {}

/** The membership is over. */
export declare class ClosedError extends LecternError {}

/** Messages were dropped, and the answer may have been among them. */
export declare class GapError extends LecternError {
  constructor(missed: number);
  /** How many, where that is known, else 0. */
  readonly missed: number;
}

/** The one who was asked has said no, by decline. The reason is the other side's words for people. */
export declare class DeclinedError extends LecternError {
  constructor(peerCode: string, message?: string);
  /** The other side's word for programs. The code is declined. */
  readonly peerCode: string;
}

/**
 * The membership ended after something was sent and before the hub's answer came:
 * it may have been carried out or not. The cause is the ClosedError.
 */
export declare class UnknownOutcomeError extends LecternError {
  constructor(cause: Error);
}

/**
 * The hub could not be reached, or the connection was lost before the answer. Of a member's
 * send: three connections in turn were too slow for it.
 */
export declare class ConnectionError extends LecternError {
  constructor(reason: string, cause?: unknown);
}

declare const jsonPayload: unique symbol;

/** A payload that is sent as JSON whatever it is. */
export interface JSONPayload {
  readonly [jsonPayload]: never;
}

/** Makes a payload of the value's JSON, also where it is a string. */
export declare function json(value: unknown): JSONPayload;

/**
 * What is sent: a string as text, an ArrayBuffer or a view of one as bytes, and
 * anything else as JSON. What has none of its own is a TypeError, also inside: bytes, a
 * Map, a Set, a Blob, a function, a symbol, a BigInt, NaN, undefined in an array. A
 * property that is undefined is not there. Text and JSON must not have half of a
 * surrogate pair.
 */
export type Payload =
  | string | number | boolean | null | ArrayBuffer | ArrayBufferView | JSONPayload | object;

export interface SignalOption {
  readonly signal?: PlatformSignal | undefined;
}

/** What goes along with a message. */
export interface SendOptions extends SignalOption {
  /**
   * What the message is about: the receiver has it as its topic, to tell kinds of messages apart without
   * a look at their payloads. A name as usernames are, of at most 64 bytes; anything else is refused with
   * bad_frame, and nothing is sent.
   */
  readonly topic?: string | undefined;
  /**
   * For how many milliseconds from the call on the message is worth something, from 1 to a day: nobody is handed
   * it later than that and the time that it is on its way, wherever it has waited, and who would have got it is
   * told a gap in its place. Where the hub could not be given it in time, the call is refused with too_late; so are
   * the parts of a request or gather that have no answer by then, and an answer after that is refused with
   * no_such_request.
   */
  readonly expires?: number | undefined;
}

/** What the hub has made of a message that it has accepted. */
export interface Receipt {
  /** The message's number in its channel and direction. */
  readonly seq: number;
  /**
   * To how many slaves that are connected a master's message was queued. Those who are away get
   * it when they resume, and are not counted. 0 for what a slave sends, which is for the master alone.
   */
  readonly slaves: number;
}

/** What arrived from the other side. */
export declare class Message {
  private constructor();
  readonly type: 'message';
  /**
   * The sender's username, as the hub knows it. Empty where the service has sent it, to its slaves or
   * to the master: no member can have that name.
   */
  readonly from: string;
  /**
   * The number in its channel and direction. A slave sees rising numbers with
   * holes where others were addressed; a master sees each.
   */
  readonly seq: number;
  /** The master, or the service, sent this to this slave alone. */
  readonly private: boolean;
  /** Not 0 where the sender awaits an answer, by reply. */
  readonly requestId: number;
  /** In an answer, the requestId of the request, else 0. */
  readonly replyTo: number;
  /** What it is about, as its sender says (SendOptions), or empty. */
  readonly topic: string;
  /** From when on it is worth nothing any more, by this side's clock, or null where it does not expire. */
  readonly expires: Date | null;
  /** It is worth nothing any more. */
  readonly expired: boolean;
  /** How the payload was given. */
  readonly kind: 'text' | 'json' | 'bytes';
  /** The payload's size in bytes. */
  readonly size: number;
  /** The text, the JSON text, or the bytes read as UTF-8. */
  text(): string;
  /** The value. A TypeError where the payload is no JSON. */
  json(): any;
  /** A copy of the payload's bytes. */
  bytes(): Uint8Array;
  /** Answers a message that asks, as the reply of the handle that it came to. */
  reply(payload: Payload, options?: SendOptions): Promise<Receipt>;
  /** Says no to a message that asks, as the decline of the handle that it came to. */
  decline(code: string, text?: string, options?: SignalOption): Promise<Receipt>;
}

/**
 * The value of an attribute of a member, and as an event that it has changed. While an event waits to be
 * taken, the next change of the same attribute takes its place, at the end: of a key that changes often, at most
 * two wait, that the value which was taken is gone, and the newest one. They are apart from options.inbox,
 * are never dropped, and are never a gap.
 */
export declare class Attribute {
  private constructor();
  readonly type: 'attribute';
  /** The member whose it is. */
  readonly from: string;
  readonly key: string;
  /**
   * The number of the change, in one order with the messages of the same direction. What a handle that goes on by
   * a ticket is told anew may have a lower one than messages before it. 0 of one with which this handle
   * has entered.
   */
  readonly seq: number;
  /** The attribute is gone. The value is an empty text then. */
  readonly deleted: boolean;
  /** How the value was given. */
  readonly kind: 'text' | 'json' | 'bytes';
  /** The value's size in bytes. */
  readonly size: number;
  /** The text, the JSON text, or the bytes read as UTF-8. */
  text(): string;
  /** The value. A TypeError where it is no JSON. */
  json(): any;
  /** A copy of the value's bytes. */
  bytes(): Uint8Array;
}

/** The state of one member, as it is known on this side. */
export interface Presence {
  readonly type: 'presence';
  readonly role: 'master' | 'slave';
  readonly username: string;
  /**
   * online; away: it may still come back; gone: it has left, or its time is over;
   * unknown: the own connection is lost.
   */
  readonly state: 'online' | 'away' | 'gone' | 'unknown';
  /** When this side learned of it. */
  readonly since: Date;
  /** When a master that is away, or cannot be asked after, will be given up. */
  readonly deadline: Date | null;
  /**
   * The slave is new: it is a member since it was told last, and has not come back. Where a master has
   * gone on by a ticket, or in a seat that it has taken over, those who are there then are not told
   * as joined. In members it is so of the newest change of each.
   */
  readonly joined: boolean;
  /** Why a slave is gone, where that is known. */
  readonly reason: string;
}

/** A slave may not send of its own accord from now on, or may again. */
export interface Muted {
  readonly type: 'muted';
  readonly on: boolean;
}

/** How many slaves a master has, in either state. */
export interface Counts {
  readonly online: number;
  readonly away: number;
}

/** There are so many slaves now, for a master that is told no more of them (ClientOptions.countSlaves). */
export interface CountsChange extends Counts {
  readonly type: 'counts';
}

/** What becomes of who joins: open lets them in, knock has them wait for the master's yes or no, locked refuses them. */
export type Door = 'open' | 'knock' | 'locked';

/** Somebody waits at a master's door, or where it is over, does not any more: in, refused, or gone. */
export interface Knock {
  readonly type: 'knock';
  /** What admit and deny take. No two knocks of a channel have the same. */
  readonly number: number;
  readonly username: string;
  /** Those with which the user would enter, by their keys. */
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly over: boolean;
}

/** The slave is the master of its channel now, with a handle of its own. Nothing comes behind it. */
export interface Promotion {
  readonly type: 'promoted';
  readonly master: Master;
}

/** What a join waits for: for its channel, whose master has not created it, or for the master to say yes or no. */
export interface Waiting {
  readonly for: 'master' | 'door';
  /** The channel's master and its state, at the door, and else null. */
  readonly master: Presence | null;
}

/** Messages were dropped in this place. missed is how many, where that is known, else 0. */
export interface Gap {
  readonly type: 'gap';
  readonly missed: number;
}

/** A change of one member. */
export declare class PresenceEvent extends PlatformEvent {
  constructor(type: string, presence: Presence);
  readonly presence: Presence;
}

/** A change of another member's attribute. */
export declare class AttributeEvent extends PlatformEvent {
  constructor(attribute: Attribute);
  readonly attribute: Attribute;
}

/** A slave may not send of its own accord from now on, or may again. */
export declare class MutedEvent extends PlatformEvent {
  constructor(on: boolean);
  readonly on: boolean;
}

/** There are so many slaves now. */
export declare class CountsEvent extends PlatformEvent {
  constructor(counts: Counts);
  readonly counts: Counts;
}

/** A slave is the master of its channel now. */
export declare class PromotedEvent extends PlatformEvent {
  constructor(master: Master);
  readonly master: Master;
}

/** Somebody waits at a master's door, or does not any more. */
export declare class KnockEvent extends PlatformEvent {
  constructor(knock: Knock);
  readonly knock: Knock;
}

/** Messages were dropped. */
export declare class GapEvent extends PlatformEvent {
  constructor(missed: number);
  readonly missed: number;
}

export type State = 'online' | 'reconnecting' | 'closed';

/** A change of the membership's own state. */
export declare class StateEvent extends PlatformEvent {
  constructor(state: State);
  readonly state: State;
}

/** The membership is over, and why. */
export declare class ClosedEvent extends PlatformEvent {
  constructor(error: ClosedError);
  readonly code: Code;
  readonly reason: string;
  readonly error: ClosedError;
}

/**
 * A way to the hub: a WebSocket, or plain HTTP, a streamed response and POSTs, where something on the way lets no WebSocket
 * through.
 */
export type Transport = 'websocket' | 'http';

/** The client is connected on another way, or with null, is not connected. */
export declare class TransportEvent extends PlatformEvent {
  constructor(transport: Transport | null);
  readonly transport: Transport | null;
}

export interface HandleEventMap {
  /**
   * At a slave, a change of its master. At a master, that its own connection is
   * lost (unknown) or back (online).
   */
  presence: PresenceEvent;
  /** A change of an attribute: of the master, at a slave, or of a slave, at the master. Each is told here. */
  attribute: AttributeEvent;
  gap: GapEvent;
  state: StateEvent;
  closed: ClosedEvent;
}

export interface MasterEventMap extends HandleEventMap {
  /** A change of a slave. */
  member: PresenceEvent;
  /** There are so many slaves now, where countSlaves is set. There are at most four in a second. */
  counts: CountsEvent;
  /** Somebody waits at the door, or does not any more. */
  knock: KnockEvent;
}

export interface SlaveEventMap extends HandleEventMap {
  /** The master does not let this slave send of its own accord any more, or lets it again. */
  muted: MutedEvent;
  /** The slave is the master of its channel now, by a hand-over. This handle ends with handed_over. */
  promoted: PromotedEvent;
}

type Listener<E extends PlatformEvent> = ((event: E) => void) | { handleEvent(event: E): void };

interface ListenerOptions extends SignalOption {
  readonly capture?: boolean | undefined;
  readonly once?: boolean | undefined;
  readonly passive?: boolean | undefined;
}

/** What a Master and a Slave have in common. */
declare abstract class Handle<Events extends HandleEventMap, Happening> extends PlatformEventTarget {
  protected constructor();
  /** The channel's name. */
  readonly channel: string;
  /** The name that the others see, which the service may have given. */
  readonly username: string;
  /** How long the master may be away. */
  readonly timeout: number;
  readonly state: State;
  /** Why the membership is over, or null. */
  readonly error: ClosedError | null;
  /** Resolves with the error that says why, once the membership is over. It is never rejected. */
  readonly closed: Promise<ClosedError>;
  /**
   * What it takes to come back from another client. To be kept like a password. The same until a
   * message is taken, the connection is lost, or the membership moves to another one. It is worth nothing any more once another client
   * has come back by it.
   */
  readonly ticket: Ticket;
  /**
   * The messages that ask and were not answered yet, by reply or decline, in the order of their numbers: those
   * that were taken from events or messages, or dropped there, and not those that still wait there. They are
   * there after the page was loaded again, too, and for whoever goes on by the ticket, as far as the hub has kept
   * them: they are there when that handle is, in front of everything else that is new. Not among them are those of which it is known that nobody awaits the answer any more, as of a master that has
   * handed over; that a request was withdrawn is only known when it is answered. They are as many as options.inbox has room for; beyond that
   * the oldest are forgotten. It is frozen, and the same list until it changes.
   */
  readonly openRequests: readonly Message[];
  /**
   * The attributes that this member has by this handle, or by a client that had the membership before, as far as the hub has
   * accepted them, by their keys. Another map where one changes. What the service has set is not among them.
   */
  readonly attributes: ReadonlyMap<string, Attribute>;
  /**
   * Gives this member an attribute: the last value by key, such as the page that is on the board, or a hand
   * that is raised. A master's is seen by all slaves, those too that join or come back later, and a slave's
   * by its master alone. A key is a name as usernames are, of at most 64 bytes. It waits and is sent again as a
   * message is, and resolves once the hub has accepted it.
   *
   * A master has at most 64 of 256 KiB together, a slave 8 of 4 KiB, and all slaves of a channel 4 MiB:
   * more is refused with attributes_full. A slave may change 20 a second in the long run, and is refused
   * with rate_limited beyond, apart from its messages. What the service has set is forbidden.
   */
  setAttribute(key: string, payload: Payload, options?: SignalOption): Promise<void>;
  /** Takes an attribute away. Where there is none, nothing happens. */
  deleteAttribute(key: string, options?: SignalOption): Promise<void>;
  /**
   * Shows the service a new token, or without one a fresh one of options.token, before what it
   * has granted by the last one expires. Where that is refused, what was granted before stays.
   */
  refresh(token?: string, options?: SignalOption): Promise<void>;
  /**
   * Yields messages, changes of presence and of attributes, gaps, at a master who knocks, and at a slave that it is muted or no longer, and at last
   * that it is the master, in one order, and ends when the membership is over; error tells why. What is not taken waits, within
   * options.inbox. Iterators at the same time share what comes between them.
   */
  events(options?: SignalOption): AsyncGenerator<Happening, void, undefined>;
  /** Yields the messages alone, from the same queue. */
  messages(options?: SignalOption): AsyncGenerator<Message, void, undefined>;
  [Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined>;

  addEventListener<K extends keyof Events & string>(
    type: K, listener: Listener<Events[K] & PlatformEvent> | null, options?: boolean | ListenerOptions): void;
  addEventListener(
    type: string, listener: Listener<PlatformEvent> | null, options?: boolean | ListenerOptions): void;
  removeEventListener<K extends keyof Events & string>(
    type: K, listener: Listener<Events[K] & PlatformEvent> | null, options?: boolean | ListenerOptions): void;
  removeEventListener(
    type: string, listener: Listener<PlatformEvent> | null, options?: boolean | ListenerOptions): void;
}

/** How a question to all is asked. */
export interface GatherOptions extends SendOptions {
  /**
   * Is called with the names of those who are asked, in order, before the first of their parts is given:
   * once for those who are asked at first, though they may be none, and with newcomers again for those
   * who are asked later. It is called while somebody waits for the next part.
   */
  readonly asked?: ((usernames: string[]) => void) | undefined;
  /**
   * Who joins while it goes on is asked too: each new membership once, by a request of its own. So it ends with
   * its signal, its loop, the channel, or when the question has expired and nobody is awaited any more. Who has left and joins again is asked again, and has another
   * part then. At most 128 newcomers are awaited at a time; others are asked as these have answered or left.
   */
  readonly newcomers?: boolean | undefined;
}

/** One slave's part in a gather: its answer, or why there is none. */
export type Answer =
  | { readonly from: string; readonly message: Message; readonly error: null }
  | { readonly from: string; readonly message: null; readonly error: Error };

/**
 * The handle of the one who is in charge of a channel. One whose connection is
 * lost comes back by itself; meanwhile what is sent waits.
 *
 * What is sent resolves with its receipt once the hub has accepted it.
 */
export declare class Master extends Handle<MasterEventMap, Message | Presence | Attribute | Knock | CountsChange | Gap> {
  private constructor();
  /**
   * The slaves of the channel, those away included, by their names. It is frozen, and
   * the same list until one of them changes. With countSlaves it is empty.
   */
  readonly members: readonly Presence[];
  /** How many slaves there are, as it is known on this side. The same object until that changes. */
  readonly counts: Counts;
  /**
   * Asks the hub who is there, 1,024 at a time, and yields the slaves in the order in which they have joined, each as it was
   * at that moment: who comes meanwhile is among the last, and who goes may be missing or not. It is
   * rejected with busy while too much waits to be taken.
   */
  allMembers(options?: SignalOption): AsyncGenerator<Presence, void, undefined>;
  /**
   * The attributes of a slave, by their keys, as they are known on this side: none where there is no such
   * slave. Another map where one changes. They end with the slave's membership, which is told by
   * member alone.
   */
  attributesOf(username: string): ReadonlyMap<string, Attribute>;
  /** Sends to all slaves of the channel. */
  broadcast(payload: Payload, options?: SendOptions): Promise<Receipt>;
  /** Sends to one slave, also while it is away. */
  send(to: string, payload: Payload, options?: SendOptions): Promise<Receipt>;
  /**
   * Sends to one slave and resolves with its answer, also where it is away at
   * first. Rejected with no_such_slave where it leaves before, with a DeclinedError where
   * it says no, and with a GapError where the answer was lost. One that is aborted is withdrawn.
   */
  request(to: string, payload: Payload, options?: SendOptions): Promise<Message>;
  /**
   * Asks all slaves that are members at the moment at which the hub accepts the
   * question, those away included, and yields the part of each once, as it ends.
   * The question is sent when the iteration begins. After an abort the parts that
   * are left end with the signal's reason; leaving the loop early withdraws the
   * question.
   *
   * Where the connection was lost before the hub could tell that it has accepted
   * the question, the hub is asked who is still to answer once there is a new one:
   * whose answer was lost, and who has left by then, is not among the parts. When
   * it ends before the hub has told, one part with an empty from says so.
   */
  gather(payload: Payload, options?: GatherOptions): AsyncGenerator<Answer, void, undefined>;
  /** Answers a message of a slave that asks. Its sender and requestId are enough. */
  reply(message: Pick<Message, 'from' | 'requestId'>, payload: Payload, options?: SendOptions): Promise<Receipt>;
  /**
   * Says no to a message of a slave that asks, in the place of a reply: the request is rejected with a
   * DeclinedError. The code is a word of 1 to 64 letters and digits of ASCII, _, - and ., and the text
   * has at most 1,024 bytes; else it is refused with bad_frame, and nothing is sent.
   */
  decline(message: Pick<Message, 'from' | 'requestId'>, code: string, text?: string, options?: SignalOption): Promise<Receipt>;
  /** Removes a slave, which is told the reason. It may join again. */
  kick(username: string, options?: KickOptions): Promise<void>;
  /** Removes a slave, if it is there, and refuses its name for the life of the channel. */
  ban(username: string, options?: KickOptions): Promise<void>;
  /**
   * Has a slave be quiet: what it sends of its own accord, requests too, is refused with muted from then on, also
   * after it has left and joined again. Its answers and its attributes are not. Rejected with no_such_slave where
   * the channel has none of that name.
   *
   * A slave that is muted or not by its name is an exception of what was said of all. The hub remembers as many
   * exceptions as there may be slaves, those of members that have left as long as there is room for them.
   */
  mute(username: string, options?: SignalOption): Promise<void>;
  /** Lets a slave speak that mute or muteAll has muted. */
  unmute(username: string, options?: SignalOption): Promise<void>;
  /** Has all slaves be quiet, as mute does, those too that join later. There are no exceptions any more. */
  muteAll(options?: SignalOption): Promise<void>;
  /** Lets all slaves speak. There are no exceptions any more. */
  unmuteAll(options?: SignalOption): Promise<void>;
  /** Whether all slaves are muted that are no exceptions, as it is known on this side. */
  readonly allMuted: boolean;
  /**
   * Says what becomes of who joins from now on. Locked, the door refuses those too who wait there; open, it lets them
   * in, in their order, as far as there is room.
   */
  setDoor(door: Door, options?: SignalOption): Promise<void>;
  /** What becomes of who joins, as far as it is known on this side. */
  readonly door: Door;
  /** Those who wait at the door, in the order in which they have knocked, as far as it is known on this side. */
  readonly knocks: readonly Knock[];
  /**
   * Lets the one in who has knocked under the number. Rejected with no_such_slave where nobody waits under it any
   * more, and with channel_full where there is no room: then it waits on.
   */
  admit(knock: number, options?: SignalOption): Promise<void>;
  /** Refuses the one who has knocked under the number, with denied and the reason. It may knock again. */
  deny(knock: number, reason?: string, options?: SignalOption): Promise<void>;
  /** Tells the slaves that the master is not there, though it is connected. Its time runs. */
  away(options?: SignalOption): Promise<void>;
  /** Ends what away has begun. */
  back(options?: SignalOption): Promise<void>;
  /**
   * Makes a slave the master, in one step. This handle ends with handed_over: with stay the member goes on as a slave,
   * whose handle is given, and otherwise it has left, and null is.
   *
   * The attributes of the mastership, the door, who waits there, who is muted by a word to all and what is open of
   * slaves' requests go on to the new master. The requests of this one end with handed_over. What either of the two
   * has sent and was not accepted before is rejected with role_changed and has not happened, or with an
   * UnknownOutcomeError where a connection was lost meanwhile.
   *
   * Rejected with no_such_slave where there is none of that name, where it is away, and for the master itself, and
   * with busy where the slave is being sent what it has missed, or is about to switch. Where the signal is aborted and it is carried
   * out all the same, this member leaves.
   */
  handOver(username: string, options: HandOverOptions & { readonly stay: true }): Promise<Slave>;
  handOver(username: string, options?: HandOverOptions & { readonly stay?: false | undefined }): Promise<null>;
  handOver(username: string, options?: HandOverOptions): Promise<Slave | null>;
  /**
   * Closes the channel: every slave is told master_left and let go. Resolves when
   * the hub has confirmed it, or after options.closeTimeout. Rejected with role_changed where this is not the master any
   * more by a hand-over that came before: then nothing is closed.
   */
  close(): Promise<void>;
}

export interface HandOverOptions extends SignalOption {
  /** The member goes on as a slave. Otherwise it leaves. */
  readonly stay?: boolean | undefined;
}

export interface KickOptions extends SignalOption {
  readonly reason?: string | undefined;
}

/**
 * The handle of one who is in a channel because of its master. One whose
 * connection is lost comes back by itself and gets what it has missed, or ends
 * with master_down after the time that a master may be away.
 */
export declare class Slave extends Handle<SlaveEventMap, Message | Presence | Attribute | Muted | Promotion | Gap> {
  private constructor();
  /** What is known of the master, without asking the hub. */
  readonly master: Presence;
  /** The attributes of the master, by their keys, as they are known on this side. Another map where one changes. */
  readonly masterAttributes: ReadonlyMap<string, Attribute>;
  /**
   * Whether the master does not let this slave send of its own accord, as it is known on this side. What it sends
   * is refused with muted then; it can answer what it is asked.
   */
  readonly muted: boolean;
  /** The handle of the master that this slave has become by a hand-over, or null. */
  readonly promoted: Master | null;
  /** Sends to the master, also while it is away, and resolves with the receipt. */
  send(payload: Payload, options?: SendOptions): Promise<Receipt>;
  /**
   * Sends to the master and resolves with its answer, or is rejected with a DeclinedError where it
   * says no. One that is aborted is withdrawn.
   */
  request(payload: Payload, options?: SendOptions): Promise<Message>;
  /** Answers a message of the master that asks. Its requestId is enough. */
  reply(message: Pick<Message, 'requestId'>, payload: Payload, options?: SendOptions): Promise<Receipt>;
  /**
   * Says no to a message of the master that asks, in the place of a reply: the request is rejected with a
   * DeclinedError. The code is a word of 1 to 64 letters and digits of ASCII, _, - and ., and the text
   * has at most 1,024 bytes; else it is refused with bad_frame, and nothing is sent.
   */
  decline(message: Pick<Message, 'requestId'>, code: string, text?: string, options?: SignalOption): Promise<Receipt>;
  /**
   * Joins another channel under the same name and leaves this one in a single
   * step: where the join is refused, the user stays here.
   */
  switch(channel: string, options?: JoinOptions): Promise<Slave>;
  /**
   * Leaves the channel. Resolves when the hub has confirmed it, or after options.closeTimeout. Rejected with role_changed
   * where this is the master by then: it has not left, and promoted is its handle.
   */
  leave(): Promise<void>;
}

/** A ticket that was kept: epoch and last may be missing, and are 0 then. */
export type KeptTicket = Omit<Ticket, 'epoch' | 'last'> & Partial<Pick<Ticket, 'epoch' | 'last'>>;

/** What it takes to come back to a membership. Its JSON is that of the tickets of the client in Go. */
export interface Ticket {
  readonly channel: string;
  readonly username: string;
  readonly role: 'master' | 'slave';
  /** The secret. */
  readonly resume: string;
  /**
   * Counts the connections of the membership up to the one for which the ticket was made. 0 is
   * of a hub that counts none.
   */
  readonly epoch: number;
  /** The number of the last message that was taken; 0 asks for all that the hub has kept. */
  readonly last: number;
}

/** What a token is for. */
export interface TokenRequest {
  readonly operation: 'create' | 'join' | 'resume' | 'refresh';
  readonly channel: string;
  /** Empty where the service is to give a name. */
  readonly username: string;
}

export interface CreateOptions extends SignalOption {
  /** For the service that the hub belongs to. */
  readonly token?: string | undefined;
  /** How long this master may be away, where that is less than the hub allows. From 0 to 2 ** 53. */
  readonly masterTimeout?: number | undefined;
  /**
   * Those with which the master enters, by their keys, as if it had set them before anybody is told of it: at most
   * 4 KiB in all, keys and values. More is refused with attributes_full.
   */
  readonly attributes?: { readonly [key: string]: Payload | undefined } | undefined;
  /** The channel's door, before anybody can be let in. Open where it is left out. */
  readonly door?: Door | undefined;
}

export interface JoinOptions extends SignalOption {
  /** The master that is expected: another one's channel is refused with wrong_master. */
  readonly master?: string | undefined;
  readonly token?: string | undefined;
  /**
   * Those with which the slave enters, by their keys, as if it had set them before anybody is told of it: at most
   * 4 KiB in all, keys and values. More is refused with attributes_full.
   */
  readonly attributes?: { readonly [key: string]: Payload | undefined } | undefined;
  /**
   * Waits for a channel that does not exist yet, in the place of no_such_channel, and then at its door as any other. Who
   * has waited for longer than the hub allows is refused with too_late.
   */
  readonly wait?: boolean | undefined;
  /**
   * Is told what is waited for, each time that it changes, and again on each connection. The signal takes the knock back. Where the
   * connection is lost, the client knocks on the next one, and stands at the end; it tries to
   * make one until the signal ends the wait.
   */
  readonly onwaiting?: ((waiting: Waiting) => void) | undefined;
}

export interface ResumeOptions extends SignalOption {
  readonly token?: string | undefined;
}

export interface RestoreOptions extends SignalOption {
  /** Asks for all messages that the hub has kept, and not only for those that were not taken. */
  readonly replay?: boolean | undefined;
}

export interface Restored {
  readonly masters: Master[];
  readonly slaves: Slave[];
  /**
   * What the hub has refused. The storage keeps a ticket on, unless the hub has said that
   * the membership is over (resume_failed, and hub_lost by the hub of each address), another client's (replaced) or cannot be
   * (bad_name, bad_frame).
   */
  readonly lost: { role: 'master' | 'slave'; channel: string; username: string; error: RefusedError }[];
}

/** What anybody may know of a channel. */
export type Status =
  | { readonly exists: true; readonly master: Presence }
  | { readonly exists: false; readonly master: null };

/** What the client uses of a WebSocket. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  /** Where there is none, nothing goes along with the handshake. */
  readonly protocol?: string;
  /** What has not gone out yet. Where there is none, bytes that move are no sign of life. */
  readonly bufferedAmount?: number;
  onopen: ((event: any) => any) | null;
  onmessage: ((event: any) => any) | null;
  onerror: ((event: any) => any) | null;
  onclose: ((event: any) => any) | null;
  send(data: Uint8Array & { readonly buffer: ArrayBuffer }): void;
  close(code?: number, reason?: string): void;
}

/** What the client uses of a Storage. */
export interface StorageLike {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** What the client uses of a fetch: a Request that it can make with a signal, and a Response with a body that comes in pieces. */
export type FetchLike = (url: string, how: any) => Promise<any>;

/** Times are from 1 to 2 ** 31 - 1, and closeTimeout from 0 on; sizes are whole numbers from 1 on. */
export interface ClientOptions {
  /**
   * Fixes the way to the hub. Default: auto, a WebSocket where one gets through, and else plain HTTP, under the same address: of
   * wss://class.example.com/ws it is https://class.example.com/ws/open and so on. A WebSocket that has not come about within
   * 1.5 seconds, brings nothing for four, or was cut twice within two minutes, does not get through. It is tried again now and then, at least
   * every ten minutes, and when the page is online again; where it gets through, the memberships move
   * to it, and nothing is told of that but by Client.transport. In the tab's sessionStorage it is kept for half an hour that none
   * gets through.
   */
  readonly transport?: 'auto' | Transport | undefined;
  /** Default: the platform's, which Node has from version 22 on. Where there is none, the way is HTTP. */
  readonly WebSocket?: (new (url: string, protocols: string[]) => WebSocketLike) | undefined;
  /** Default: the platform's. */
  readonly fetch?: FetchLike | undefined;
  /**
   * Whether cookies go along over HTTP, as fetch has it. Default: same-origin. include is for a hub of another origin, which
   * has to name the page's among its origins. A WebSocket has them as the browser will.
   */
  readonly credentials?: 'same-origin' | 'include' | 'omit' | undefined;
  /**
   * Nothing goes along with the handshake, for where something on the way does not let
   * such a one pass. Default: the first create, join or status does, which saves a
   * round trip.
   */
  readonly plainHandshake?: boolean | undefined;
  /**
   * A first create or join goes along with the handshake where it has a token too. Default:
   * it does not, since headers of requests are often written to logs.
   */
  readonly tokenInHandshake?: boolean | undefined;
  /**
   * A master of this client is told how many slaves it has (counts), and of no slave that it has come or gone. So a channel of
   * a hundred thousand costs the page no more than one of ten. What slaves send and set comes as ever. Default: each change
   * is told, and members is kept.
   */
  readonly countSlaves?: boolean | undefined;
  /**
   * Makes a token for the service that the hub belongs to: a fresh one for each create, join,
   * resume and refresh for which none is given. Where it fails, so does the call, with the same
   * error, and a connection that was lost is tried again later. Default: a token that was
   * given is shown again at each resume.
   */
  readonly token?: ((request: TokenRequest) => Promise<string> | string) | undefined;
  /**
   * Bound the wait before the next attempt to connect: a random part of
   * minBackoff after the first loss, of twice as much each time that it fails
   * again, and of maxBackoff at the most. Defaults 200 and 5000.
   */
  readonly minBackoff?: number | undefined;
  readonly maxBackoff?: number | undefined;
  /** Bounds each attempt to connect, and how long tokens are waited for before it. Default 10000. */
  readonly dialTimeout?: number | undefined;
  /** Bounds how long leaving waits for the hub's confirmation. Default 5000. */
  readonly closeTimeout?: number | undefined;
  /** How long the hub may be silent before it is asked for a sign of life. Default 10000. */
  readonly silence?: number | undefined;
  /**
   * How long it may then take before the connection is given up. What waits in the socket and
   * goes out meanwhile, at 1 KB/s or faster, prolongs it. Default 5000.
   */
  readonly patience?: number | undefined;
  /**
   * The same when the page has just woken up, or gone offline. And how long an attempt to
   * connect has had, when the page wakes up or is online again, before another one takes
   * its place, one second at least. Default 2000.
   */
  readonly wakePatience?: number | undefined;
  /** The size in bytes of the largest payload that is sent. Default 65536. */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Bounds what waits in each handle to be taken. When it is full, the oldest is
   * dropped and told as a gap. Defaults 1024 and 4 MiB.
   */
  readonly inbox?: { readonly messages?: number | undefined; readonly bytes?: number | undefined } | undefined;
  /**
   * Keeps the tickets of the memberships, for restore: sessionStorage, for instance. One is in it
   * before the hub takes this client for the holder of the membership, at which older ones
   * become worth nothing.
   */
  readonly storage?: StorageLike | undefined;
  /** The key in the storage. Default: made from the address, the first one of several. */
  readonly storageKey?: string | undefined;
}

export interface ClientEventMap {
  /** The client is connected on another way, or not any more. */
  transport: TransportEvent;
}

/**
 * One connection to a hub, and the memberships that it carries: any number of
 * channels, as master of some and slave of others. It connects when it is first
 * used, and when the connection is lost it connects again, with growing pauses
 * and a random part in them, and resumes every membership. What was to be entered is asked
 * for again too, where the answer was lost with the connection, on three connections at most.
 *
 * Where the hub tells that it shuts down, the client connects once more after a random part of the time
 * that it was told, while the connection goes on, and its memberships move: nothing is told of it,
 * nothing is lost, and what the hub refuses meanwhile is sent again, in its order. What cannot move stays
 * until the connection ends.
 *
 * Each client is another one to the hub, though it has the same tickets. Of two, the one that
 * has come later holds the membership, and the other one ends with replaced, also where it
 * was offline and comes back only then.
 */
export declare class Client extends PlatformEventTarget {
  /**
   * The address may be relative to the page's, and of http or https. A relative one where
   * there is no page is a TypeError when the client is used.
   *
   * Of several, each attempt to connect takes the next one, and a move another one than the present. A
   * call fails for want of a connection when so many attempts in a row have failed, and a membership ends with
   * hub_lost when the hubs of so many addresses in a row have said so.
   */
  constructor(url: string | PlatformURL | readonly (string | PlatformURL)[], options?: ClientOptions);
  /** The way on which the client is connected now, or null where it is not. The event transport tells of changes. */
  readonly transport: Transport | null;
  /**
   * Makes the channel, with the user as its master. It waits for calls before it that
   * enter the same channel, and for what is being undone there: what was given up or is
   * left. Where one stays in, it is refused with forbidden; so is join.
   */
  create(channel: string, username: string, options?: CreateOptions): Promise<Master>;
  /** Enters a channel that its master has created before, as a slave. */
  join(channel: string, username: string, options?: JoinOptions): Promise<Slave>;
  /**
   * Takes over a master's membership. Another client that holds it is told replaced, and so
   * is this one, as a refusal, where the ticket is older than what another client has taken
   * over since. After an abort the membership lives on, away, and can be resumed.
   */
  resumeMaster(ticket: KeptTicket, options?: ResumeOptions): Promise<Master>;
  /** Takes over a slave's membership, as resumeMaster does a master's. */
  resumeSlave(ticket: KeptTicket, options?: ResumeOptions): Promise<Slave>;
  /**
   * Resumes the memberships that options.storage has kept; what is no ticket there is
   * dropped. While the hub cannot be reached it goes on trying. Where this client is in a
   * channel already, the handle that there is is given.
   */
  restore(options?: RestoreOptions): Promise<Restored>;
  /** Asks for a channel and its master, for which no membership is needed. */
  status(channel: string, options?: SignalOption): Promise<Status>;
  /** Leaves every channel on purpose and closes the connection. */
  close(): Promise<void>;
  /**
   * Ends the client and keeps its seats: its members are away, and whoever has a ticket can
   * resume in time, in another page or program, in Go too. Nothing new is begun. What was sent is
   * answered first, within options.closeTimeout; what is being entered is left. The handles end
   * with detached, and what was not taken from them is for whoever resumes. The storage keeps its
   * tickets. The tickets are in the order of their channels.
   */
  detach(): Promise<Ticket[]>;

  addEventListener<K extends keyof ClientEventMap & string>(
    type: K, listener: Listener<ClientEventMap[K] & PlatformEvent> | null, options?: boolean | ListenerOptions): void;
  addEventListener(
    type: string, listener: Listener<PlatformEvent> | null, options?: boolean | ListenerOptions): void;
  removeEventListener<K extends keyof ClientEventMap & string>(
    type: K, listener: Listener<ClientEventMap[K] & PlatformEvent> | null, options?: boolean | ListenerOptions): void;
  removeEventListener(
    type: string, listener: Listener<PlatformEvent> | null, options?: boolean | ListenerOptions): void;
}

// What has no export above is not to be imported.
export {};
