// Clients change from polling to WebSocket while messages go both ways.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { Hub } from './support/hub.js';
import { within } from './support/limit.js';
import { Member, clients } from './support/member.js';

const { url } = await Hub.start({ after });

const UPGRADES = 100;
const AT_ONCE = 10;
// The master says no more than that before everybody has it: a client that polls is bounded.
const WINDOW = 50;

/** Listener is a member that checks the numbers of its master, and knows how many it has had. */
class Listener extends Member {
  /** had is the newest number; before there is one, that of the newest that was said as the member was in. */
  had = Infinity;
  count = 0;
  #awaited = [];

  listen(passed) {
    this.socket.on('message', (number) => {
      if (this.count > 0) {
        assert.equal(number, this.had + 1, `${this.version}: a hole, or one that comes twice`);
      }
      this.had = number;
      this.count++;
      passed();
      this.#awaited.filter(({ count }) => this.count >= count).forEach(({ resolve }) => resolve());
    });
  }

  /** hears resolves when so many further ones have come. */
  hears(further) {
    return within(new Promise((resolve) => {
      this.#awaited.push({ count: this.count + further, resolve });
    }), `${further} more messages for a client ${this.version}`);
  }
}

test(`${UPGRADES} upgrades while messages go both ways: no hole, none twice`, async (t) => {
  const channel = 'under traffic';
  const master = new Member(t, url, { auth: { channel, username: 'alice', role: 'master' } });
  await master.next('created');

  // Down: numbers, as fast as everybody takes them.
  const listening = new Set();
  let said = 0;
  let acknowledged = 0;
  let over = false;
  const pump = () => {
    while (!over && said - acknowledged < WINDOW && [...listening].every(({ had }) => said - had < WINDOW)) {
      master.socket.emit('message', said++, ({ ok }) => {
        assert.ok(ok);
        acknowledged++;
        pump();
      });
    }
  };

  // Up: each client's own numbers, one after the other, and its end.
  const heard = new Map();
  master.socket.on('message', (number, { from }) => {
    assert.equal(number, heard.has(from) ? heard.get(from) + 1 : 0, `${from}: a hole, or one that comes twice`);
    heard.set(from, number);
  });
  const leaving = new Map();
  master.socket.on('presence', ({ username, state }) => state === 'left' && leaving.get(username)());

  const versions = Object.keys(clients);
  let changes = 0;
  const one = async (index) => {
    const username = `user ${index}`;
    const left = new Promise((resolve) => {
      leaving.set(username, resolve);
    });
    const member = new Listener(t, url, { version: versions[index % versions.length], way: 'default', auth: { channel, username } });
    member.listen(pump);
    await member.next('joined');
    member.had = member.count > 0 ? member.had : said - 1;
    listening.add(member);
    changes += member.transport === 'polling' ? 1 : 0;
    let changed = false;
    member.upgraded().then(() => {
      changed = true;
    });
    let spoken = 0;
    for (; !changed || spoken < 5; spoken++) {
      await member.does('message', spoken);
    }
    await member.hears(10);
    await member.does('message', spoken);
    listening.delete(member);
    member.socket.disconnect();
    pump();
    await within(left, `the end of ${username}`);
    assert.equal(heard.get(username), spoken, `${username}: the last ones are missing`);
  };

  pump();
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    // Those count who were in the channel before they have changed, which nearly all are.
    while (changes < UPGRADES && next < 3 * UPGRADES) {
      await one(next++);
    }
  }));
  over = true;
  assert.ok(changes >= UPGRADES, `${changes} of ${next}`);
  assert.equal(heard.size, next);
  t.diagnostic(`${changes} upgrades of who was in the channel, of ${next}; ${said} messages of the master`);
});
