// A member that never reads costs the hub its bounds, and nobody else anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Hub } from './support/hub.js';
import { Member } from './support/member.js';
import { Network } from './support/network.js';
import { starOf } from './support/star.js';

const MESSAGES = 6_000;
const WINDOW = 100;
// All messages are 60 MB. What the hub may keep is 1 MiB for the member's queue, 2 MiB for who comes back to
// the channel, and the system's send buffer; the rest of this is what Go's collector leaves for a while.
const MOST = 32 << 20;

for (const way of ['websocket', 'polling']) {
  test(`a member that never reads: ${way}`, async (t) => {
    const hub = await Hub.start(t, { probe: '1h' }); // so silence is no reason for an end
    const { channel, master, slaves: [other] } = await starOf(t, hub.url, {}, 'other');
    const network = await Network.to(t, hub.url);
    const stuck = new Member(t, network.url, { way, auth: { channel, username: 'stuck' } });
    await Promise.all([stuck.next('connect'), stuck.next('joined')]);
    await master.until('presence', ({ username }) => username === 'stuck');
    network.freeze();

    const before = hub.memory();
    let most = before;
    const text = 'x'.repeat(10_000);
    let came = 0;
    for (let sent = 0; sent < MESSAGES;) {
      const end = sent + WINDOW;
      const answers = [];
      for (; sent < end; sent++) {
        answers.push(master.does('message', `${sent} ${text}`));
      }
      await Promise.all(answers);
      for (; came < sent; came++) {
        const [got] = await other.next('message');
        assert.equal(got, `${came} ${text}`);
      }
      most = Math.max(most, hub.memory());
    }
    t.diagnostic(`${before >> 20} MiB before, ${most >> 20} MiB at the most`);
    assert.ok(most - before < MOST, `from ${before} bytes to ${most}`);
    assert.equal((await master.until('presence', ({ username }) => username === 'stuck'))[0].state, 'away');

    // It is closed as slow, for which a client comes back, and is told what it has missed.
    network.cut();
    await stuck.next('disconnect');
    network.mend();
    await stuck.next('connect');
    assert.equal(stuck.socket.recovered, true);
    const [{ missed }] = await stuck.next('gap');
    let got = await stuck.next('message');
    assert.ok(missed > MESSAGES / 2 && got[1].seq > missed, `${missed} are missing before ${got[1].seq}`);
    for (; got[1].seq < MESSAGES; got = await stuck.next('message'));
    other.nothing('disconnect');
  });
}
