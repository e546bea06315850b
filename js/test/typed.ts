// Uses everything that lectern.d.ts declares. The compiler checks it, and
// typed.test.js runs it against a real hub, so that what is declared is there.

import {
  Attribute, AttributeEvent, Client, ClosedError, ClosedEvent, Code, ConnectionError, CountsEvent, DeclinedError, GapError, GapEvent, KnockEvent, LecternError, Master, Message, MutedEvent,
  PresenceEvent, PromotedEvent, RefusedError, Slave, StateEvent, TransportEvent, UnknownOutcomeError, json,
} from '../lectern.js';
import type {
  Answer, ClientOptions, Counts, CountsChange, Door, Gap, GatherOptions, KeptTicket, Knock, Muted, Waiting, Payload, Presence, Promotion, Receipt, Restored, SendOptions, State, Status, Ticket, TokenRequest, Transport,
} from '../lectern.js';
import type WS from 'ws';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function typed<_ extends true>(): void {}

// The constructors that there are can be given as they are.
typed<typeof globalThis.WebSocket extends NonNullable<ClientOptions['WebSocket']> ? true : false>();
typed<typeof globalThis.fetch extends NonNullable<ClientOptions['fetch']> ? true : false>();
typed<typeof WS extends NonNullable<ClientOptions['WebSocket']> ? true : false>();

function check(holds: boolean, what: string): asserts holds {
  if (!holds) {
    throw new Error(`does not hold: ${what}`);
  }
}

async function first(handle: Master | Slave): Promise<Message> {
  for await (const message of handle) {
    return message;
  }
  throw handle.error;
}

export async function useAll(url: string, WebSocket: NonNullable<ClientOptions['WebSocket']>): Promise<void> {
  const items = new Map<string, string>();
  const options: ClientOptions = {
    transport: 'auto', credentials: 'same-origin', fetch: globalThis.fetch, WebSocket, minBackoff: 1, maxBackoff: 10, dialTimeout: 5000, closeTimeout: 1000, silence: 10_000, patience: 5000,
    wakePatience: 1000, maxMessageBytes: 65_536, inbox: { messages: 100, bytes: 1 << 20 }, storageKey: 'key',
    storage: {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
      removeItem: (key: string) => void items.delete(key),
    },
  };
  const { signal } = new AbortController();
  const client = new Client(new URL(url), options);
  const ways: (Transport | null)[] = [];
  client.addEventListener('transport', (event) => {
    typed<Equal<typeof event, TransportEvent & Event>>();
    check(event instanceof TransportEvent && event.transport === client.transport, 'a transport event');
    ways.push(event.transport);
  });
  // @ts-expect-error there is no such way
  const wrong: ClientOptions = { transport: 'pigeon' };
  check(client.transport === null && wrong.fetch === undefined, 'no way yet');
  const status: Status = await client.status('abc123', { signal });
  check(!status.exists && status.master === null, 'no channel');

  const master: Master = await client.create('abc123', 'alice', { token: 't', masterTimeout: 10_000, signal });
  const other = new Client([url, new URL(url)], { WebSocket });
  const slave: Slave = await other.join('abc123', 'user_one', { master: 'alice', token: 't', signal });
  const state: State = slave.state;
  check(slave instanceof Slave && master instanceof Master, 'classes');
  check(state === 'online' && slave.error === null, 'a state');
  check([slave.channel, slave.username, slave.timeout].join() === 'abc123,user_one,10000', 'who it is');
  const presence: Presence = slave.master;
  check(presence.type === 'presence' && presence.role === 'master' && presence.reason === '' && !presence.joined, 'a presence');
  check(presence.since instanceof Date && presence.deadline === null, 'its times');

  slave.addEventListener('presence', (event) => {
    typed<Equal<typeof event, PresenceEvent & Event>>();
    check(event instanceof PresenceEvent && event.presence.username === 'alice', 'a presence event');
  });
  slave.addEventListener('gap', (event) => check(event instanceof GapEvent && event.missed >= 0, 'a gap event'));
  const states: State[] = [];
  const onState = (event: StateEvent) => void states.push(event.state);
  slave.addEventListener('state', onState, { once: true });
  const closed = new Promise<ClosedEvent>((resolve) => {
    slave.addEventListener('closed', resolve);
  });
  master.addEventListener('member', {
    handleEvent: ({ presence: { role } }) => check(role === 'slave', 'a member event'),
  });
  // @ts-expect-error a slave has no members
  slave.addEventListener('member', (event: PresenceEvent) => event);

  const payloads: Payload[] = ['text', { a: 1 }, [1], 7, true, null, new Uint8Array(1), new ArrayBuffer(1), json('x')];
  for (const payload of payloads) {
    const receipt: Receipt = await master.broadcast(payload, { signal });
    check(receipt.seq > 0 && receipt.slaves >= 0, 'a receipt');
    await first(slave);
  }
  check(master.members[0]?.username === 'user_one', 'a member');
  const { online, away }: Counts = master.counts;
  check(online === 1 && away === 0, 'counts');
  for await (const { username } of master.allMembers()) {
    check(username === 'user_one', 'asked for');
  }
  master.addEventListener('counts', ({ counts }: CountsEvent) => check(counts.online >= 0, 'counts'));
  // @ts-expect-error nothing is no payload
  const nothing: Payload = undefined;
  check(nothing === undefined, 'no payload');
  await master.send('user_one', 'you', { topic: 'slide', signal });
  const message = await first(slave);
  check(message instanceof Message && message.type === 'message', 'a message');
  check(message.private && message.from === 'alice' && message.seq === 10 && message.size === 3, 'what it is');
  check(message.topic === 'slide', 'what it is about');
  typed<Equal<typeof message.expires, Date | null>>();
  check(message.expires === null && !message.expired, 'it is for ever');
  check(message.kind === 'text' && message.requestId === 0 && message.replyTo === 0, 'what it is not');
  check(message.text() === 'you' && message.bytes().length === 3, 'its payload');

  const about: SendOptions = { topic: 'questions', expires: 60_000, signal };
  const asked = master.request('user_one', 'well?', about);
  const { requestId }: Message = await first(slave);
  await slave.reply({ requestId }, { yes: true }, about);
  check((await asked).json().yes, 'an answer');
  const asking = slave.request('well?', about);
  const question: Message = await first(master);
  await master.reply({ from: question.from, requestId: question.requestId }, 'no', about);
  check((await asking).text() === 'no', 'another answer');
  const declined = master.request('user_one', 'now?').then(() => null, (error: unknown) => error);
  await slave.decline({ requestId: (await first(slave)).requestId }, 'not_now', 'later', { signal });
  const no = await declined;
  check(no instanceof DeclinedError && no.code === 'declined' && no.peerCode === 'not_now' && no.reason === 'later', 'a no');
  typed<Equal<typeof slave.openRequests, readonly Message[]>>();
  check(slave.openRequests.length === 0 && Object.isFrozen(slave.openRequests), 'nothing to answer');
  const declinedToo = slave.request('now?').then(() => null, (error: unknown) => error);
  const { from, requestId: of } = await first(master);
  await master.decline({ from, requestId: of }, 'never');
  check((await declinedToo) instanceof DeclinedError, 'another no');
  // @ts-expect-error a master's answer goes to somebody
  void (() => master.reply({ requestId }, 'whom?'));
  // @ts-expect-error an answer is one to a request
  void (() => slave.reply({ from: 'alice' }, 'what?'));
  const whom: GatherOptions = { ...about, newcomers: true, asked: (names: string[]) => check(names.join() === 'user_one', 'who is asked') };
  const gathering = master.gather('all?', whom);
  const part = gathering.next();
  const all = await first(slave);
  void ((): Promise<Receipt> => all.decline('no', 'not me', { signal }));
  await all.reply('me', { signal });
  const answer: Answer = (await part).value!;
  check(answer.error === null && answer.message.text() === 'me' && answer.from === 'user_one', 'a part');
  await gathering.return();

  await slave.send('up', about);
  for await (const event of master.events({ signal })) {
    typed<Equal<typeof event, Message | Presence | Attribute | Knock | CountsChange | Gap>>();
    if (event.type === 'message') {
      break;
    }
  }
  await slave.send('up again');
  for await (const event of master.messages({ signal })) {
    typed<Equal<typeof event, Message>>();
    break;
  }
  await master.setAttribute('slide', { page: 1 }, { signal });
  await slave.setAttribute('hand', 'up', { signal });
  await slave.deleteAttribute('hand', { signal });
  const values: ReadonlyMap<string, Attribute> = slave.masterAttributes;
  const slide: Attribute | undefined = values.get('slide');
  // @ts-expect-error what is read is not changed
  void (() => slave.attributes.delete('slide'));
  check(slide === undefined || slide.json().page === 1, 'an attribute');
  check(master.attributes.size === 1 && slave.attributes.size === 0 && master.attributesOf('nobody').size === 0, 'attributes');
  master.addEventListener('attribute', (event: AttributeEvent) => check(event.attribute.from === 'user_one', 'whose it is'));
  for await (const event of slave.events({ signal })) {
    typed<Equal<typeof event, Message | Presence | Attribute | Muted | Promotion | Gap>>();
    break;
  }
  slave.addEventListener('muted', (event: MutedEvent) => check(typeof event.on === 'boolean', 'muted'));
  await master.mute('user_one', { signal });
  await master.unmute('user_one');
  await master.muteAll();
  await master.unmuteAll({ signal });
  check(!master.allMuted && typeof slave.muted === 'boolean', 'who is muted');
  // @ts-expect-error a master is told of nobody
  master.addEventListener('muted', (event: MutedEvent) => void event.on);
  await master.setDoor('knock', { signal });
  const door: Door = master.door;
  const knocks: readonly Knock[] = master.knocks;
  check(door === 'knock' && knocks.length === 0, 'the door');
  const knocked = new Promise<Knock>((resolve) => {
    master.addEventListener('knock', (event: KnockEvent) => event.knock.over || resolve(event.knock));
  });
  const told: Waiting[] = [];
  const visitor = new Client(url, options);
  const waits = visitor.join('abc123', 'guest', { wait: true, onwaiting: (waiting) => told.push(waiting), signal }).catch(() => null);
  await master.deny((await knocked).number, 'not now', { signal });
  check(await waits === null && told[0]?.for === 'door' && told[0].master?.username === master.username, 'who waits');
  await master.admit(7, { signal }).catch(() => null);
  await visitor.close();
  // @ts-expect-error no door
  await master.setDoor('ajar').catch(() => null);
  await master.setDoor('open');
  await master.away({ signal });
  await master.back({ signal });

  const ticket: Ticket = master.ticket;
  check(ticket.role === 'master' && ticket.resume !== '' && ticket.last > 0, 'a ticket');
  const restoring = new Client(url, options);
  const restored: Restored = await restoring.restore({ replay: true, signal });
  check(restored.masters.length === 1 && restored.slaves.length + restored.lost.length === 0, 'what is restored');
  check((await master.closed).code === Code.REPLACED, 'an end');
  const again = await restoring.resumeSlave(slave.ticket, { signal }).catch((error: unknown) => error);
  check(again instanceof RefusedError && again.code === 'forbidden' && again.reason !== '', 'a refusal');
  const third = new Client(url, { WebSocket });
  const last = await third.resumeMaster(restored.masters[0]!.ticket, { signal });
  const room = await third.create('abc124', 'bob', { attributes: { subject: 'x', bytes: new Uint8Array(1), none: undefined } });
  const moved: Slave = await slave.switch('abc124', { master: 'bob', signal });
  slave.removeEventListener('state', onState);
  const end = await closed;
  check(end instanceof ClosedEvent && end.error === slave.error && end.code === 'left' && end.reason !== '', 'the end');
  await room.kick('user_one', { reason: 'enough', signal });
  check((await moved.closed) instanceof ClosedError, 'a kick');
  await last.ban('user_two', { reason: 'never', signal });
  await (await other.join('abc123', 'user_three', { attributes: { hand: 'up' } })).leave();
  await last.refresh('shown', { signal });
  typed<Equal<Parameters<typeof last.refresh>[0], string | undefined>>();
  typed<Equal<Awaited<ReturnType<Client['detach']>>, Ticket[]>>();
  const kept: KeptTicket = { channel: 'abc123', username: 'alice', role: 'master', resume: 'x' };
  const withTokens: ClientOptions = {
    WebSocket, token: async ({ operation, channel, username }: TokenRequest) => {
      typed<Equal<typeof operation, 'create' | 'join' | 'resume' | 'refresh'>>();
      return `${operation} ${channel} ${username}`;
    },
  };
  const fourth = new Client(url, withTokens);
  const none = await fourth.resumeMaster(kept, { token: 'x', signal }).catch((error: unknown) => error);
  check(none instanceof RefusedError && none.code === 'resume_failed', 'a ticket that leads nowhere');
  check((await fourth.detach()).length === 0, 'nothing to keep');
  const heir = await other.join('abc123', 'user_four');
  const promotion = new Promise<Master>((resolve) => {
    heir.addEventListener('promoted', (event: PromotedEvent) => resolve(event.master));
  });
  // @ts-expect-error a master is not made the master
  last.addEventListener('promoted', (event: PromotedEvent) => void event.master);
  const former = await last.handOver('user_four', { stay: true, signal });
  typed<Equal<typeof former, Slave>>();
  const promoted = await promotion;
  check(heir.promoted === promoted && heir.error?.code === Code.HANDED_OVER, 'a hand-over');
  for await (const event of heir.events({ signal })) {
    check(event.type !== 'promoted' || event.master === promoted, 'what is told of it');
  }
  const handed = await promoted.handOver('alice');
  typed<Equal<typeof handed, null>>();
  await former.closed;
  await former.promoted?.close();
  check(states.join() === 'closed', 'states');

  const errors: LecternError[] = [
    new GapError(1), new UnknownOutcomeError(new Error('x')), new ConnectionError('x'), new LecternError('x', 'y'),
  ];
  check(errors.map(({ code }) => code).join() === 'gap,unknown_outcome,connection,x', 'codes');
  await Promise.all([client.close(), other.close(), restoring.close(), third.close()]);
  check(ways.join() === 'websocket,', 'the way, and none at the end');
}
