// What a program writes whose compiler knows none of the platform's names.

import { Client, Code, Master, PresenceEvent } from '../../lectern.js';
import type { ClientOptions, Slave, WebSocketLike } from '../../lectern.js';

declare const WebSocket: new (url: string, protocols: string[]) => WebSocketLike;

export async function lesson(address: { readonly href: string; toString(): string }): Promise<string> {
  const options: ClientOptions = { WebSocket };
  const client = new Client('/ws', options);
  const slave: Slave = await new Client(address, options).join('abc123', 'user_one');
  slave.addEventListener('presence', (event) => {
    const { presence, type }: PresenceEvent = event;
    void [presence.state, type];
  }, { once: true });
  const master: Master = await client.create('abc123', 'alice');
  for await (const { from, message, error } of master.gather('ready?')) {
    void (message === null ? error.message : message.text() + from);
  }
  return (await slave.closed).code === Code.KICKED ? 'kicked' : slave.state;
}
