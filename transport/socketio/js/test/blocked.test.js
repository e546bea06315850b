// Proxies that let no WebSocket through: a stock client stays on polling by itself, and misses nothing.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { Hub } from './support/hub.js';
import { within } from './support/limit.js';
import { Member, clients } from './support/member.js';
import { Proxy, blocks } from './support/proxy.js';
import { starOf } from './support/star.js';

const { url } = await Hub.start({ after });

describe('a proxy', { concurrency: true }, () => {
  for (const version of Object.keys(clients)) {
    for (const [name, block] of Object.entries(blocks)) {
      test(`that ${name} what would be a WebSocket: ${version}`, async (t) => {
        const { channel, master } = await starOf(t, url, {});
        const proxy = await Proxy.to(t, url, block);
        const slave = new Member(t, proxy.url, { version, way: 'default', auth: { channel, username: 'user_one' } });
        const failed = new Promise((resolve) => {
          slave.socket.io.engine.on('upgradeError', resolve);
        });
        await slave.next('joined');
        let numbers = 0;
        const both = async (count) => {
          for (let i = 0; i < count; i++, numbers++) {
            await Promise.all([master.does('message', numbers), slave.does('message', numbers)]);
            assert.equal((await slave.next('message'))[0], numbers);
            assert.equal((await master.next('message'))[0], numbers);
          }
        };
        await both(5);
        await within(name === 'swallows' ? proxy.tried : failed, 'an attempt to change to WebSocket');
        await both(10);
        assert.equal(slave.transport, 'polling');
        slave.nothing('disconnect');
        slave.socket.disconnect();
        await master.until('presence', ({ state }) => state === 'left');
      });
    }
  }
});
