// What a page or a program writes, in each of the surroundings of types.test.js.

import { Client, Code, GapError, Master, Message, PresenceEvent, Slave, json } from '../../lectern.js';
import type { ClientOptions, Payload, Presence, StorageLike, Ticket, WebSocketLike } from '../../lectern.js';

declare const WebSocket: new (url: string, protocols: string[]) => WebSocketLike;
declare const storage: StorageLike;
declare const signal: AbortSignal;

export class Sink implements WebSocketLike {
  binaryType = 'arraybuffer';
  readonly readyState = 1;
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;
  send(data: Uint8Array): void {
    void data.byteLength;
  }
  close(): void {}
}

export async function lesson(): Promise<number> {
  const options: ClientOptions = { transport: 'auto', credentials: 'include', WebSocket, storage, silence: 1000, inbox: { messages: 1 } };
  const client = new Client('/ws', options);
  client.addEventListener('transport', ({ transport }) => void (transport === client.transport));
  const { masters, slaves, lost } = await client.restore({ replay: true, signal });
  const master: Master = masters[0] ?? await client.create('abc123', 'alice', { masterTimeout: 5 });
  const slave: Slave = slaves[0] ?? await new Client(new URL('ws://localhost'), {}).join('abc123', 'user_one');
  master.addEventListener('member', (event) => {
    const { presence }: PresenceEvent = event;
    void presence.state;
  }, { once: true, signal });
  const onState = ({ state }: { state: string }): void => void state;
  slave.addEventListener('state', onState);
  slave.removeEventListener('state', onState);
  slave.addEventListener('mine', { handleEvent: (event) => void event.type });
  const target: EventTarget = slave;
  void target;
  const payload: Payload = json({ a: 1 });
  await master.broadcast(payload, { signal });
  const bytes: Uint8Array = new Uint8Array(1);
  await master.send('user_one', bytes);
  for await (const { from, message, error } of master.gather('ready?')) {
    void (message === null ? error.message : message.text() + from);
  }
  for await (const entry of slave.events({ signal })) {
    if (entry.type === 'gap') {
      return entry.missed;
    }
    if (entry.type === 'message') {
      const message: Message = entry;
      await message.reply(message.bytes());
    }
  }
  const ticket: Ticket = slave.ticket;
  const members: readonly Presence[] = master.members;
  const ended = await slave.closed;
  if (ended.code === Code.KICKED || ended instanceof GapError) {
    return lost.length;
  }
  return ticket.last + members.length;
}
