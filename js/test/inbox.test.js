import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { Inbox } from '../src/inbox.js';

const message = (seq) => ({ type: 'message', seq, size: 10 });
const change = (from, key, value) => ({ type: 'attribute', from, key, value, deleted: value === undefined });
const member = (from, number) => ({ type: 'presence', from, number });

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** used is how much memory is in use. */
function used() {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Reader takes from an inbox, without end, and knows what it has been told. */
class Reader {
  entries = [];
  values = new Map();
  // Each change was one.
  news = true;

  constructor(bound) {
    this.inbox = new Inbox(bound, (entry) => this.#took(entry));
  }

  #took(entry) {
    this.entries.push(entry);
    if (entry.type === 'attribute') {
      const key = `${entry.from} ${entry.key}`;
      this.news &&= this.values.get(key) !== entry.value;
      this.values.set(key, entry.value);
    } else if (entry.type === 'presence') {
      [...this.values.keys()].filter((key) => key.startsWith(`${entry.from} `)).forEach((key) => this.values.delete(key));
    }
  }

  /** take takes so many, or as many as there are. */
  async take(count) {
    const before = this.entries.length;
    for (let i = 0; i < count; i++) {
      const stop = new AbortController();
      const taking = this.inbox.take(stop.signal).catch(() => {});
      stop.abort();
      await taking;
      if (this.entries.length === before + i) {
        break;
      }
    }
    return this.entries.slice(before);
  }

  /** known are the values that there are. */
  get known() {
    return Object.fromEntries([...this.values].filter(([, value]) => value !== undefined).sort());
  }
}

test('of a thousand changes of a key the newest waits, behind what came before it', async () => {
  const reader = new Reader({ messages: 10, bytes: 1 << 20 });
  reader.inbox.add(message(1));
  for (let i = 0; i < 1000; i++) {
    reader.inbox.add(change('alice', 'slide', i));
    if (i === 500) {
      reader.inbox.add(message(2));
    }
  }
  reader.inbox.add(message(3));
  assert.deepEqual((await reader.take(9)).map(({ seq, value }) => seq ?? `slide ${value}`), [1, 2, 'slide 999', 3]);

  reader.inbox.add(change('alice', 'slide', undefined));
  reader.inbox.add(message(4));
  reader.inbox.add(change('alice', 'slide', 'new'));
  reader.inbox.add(change('alice', 'unheard of', 'x'));
  reader.inbox.add(change('alice', 'unheard of', undefined));
  reader.inbox.add(message(5));
  assert.deepEqual((await reader.take(9)).map(({ seq, key, value }) => seq ?? `${key} ${value}`),
    ['slide undefined', 4, 'slide new', 5]);
});

test('changes evict no message, and are not dropped where messages are', async () => {
  const reader = new Reader({ messages: 4, bytes: 1 << 20 });
  for (let i = 1; i <= 4; i++) {
    reader.inbox.add(message(i));
    for (let tick = 0; tick < 300; tick++) {
      reader.inbox.add(change(`slave ${tick}`, 'typing', i));
    }
  }
  assert.deepEqual((await reader.take(400)).flatMap(({ seq }) => seq ?? []), [1, 2, 3, 4]);
  reader.inbox.add(change('slave 1', 'typing', 'a'));
  for (let i = 5; i <= 14; i++) {
    reader.inbox.add(message(i));
    reader.inbox.add(change('slave 2', 'typing', i));
  }
  reader.inbox.add(change('slave 2', 'typing', undefined));
  assert.deepEqual((await reader.take(9)).map(({ seq, missed, value, deleted }) => seq ?? (missed ? `gap ${missed}` : deleted ? 'gone' : value)),
    ['gap 6', 'a', 11, 12, 13, 14, 'gone']);
});

// What a peer may do to make changes wait: the same keys again and again, new keys again and again, and
// slaves that come and go. Of each attribute that there is, or that was taken, two may wait.
test('what waits is bounded by the attributes that there are, whatever is done, and leads to what there is', async () => {
  for (let round = 0; round < 300; round++) {
    const reader = new Reader({ messages: 8, bytes: 1 << 20 });
    const real = new Map();
    const random = (most) => Math.floor(Math.random() * most);
    const keys = 1 + random(4);
    let [seq, names] = [0, 3];
    let most = 0;
    for (let step = 0; step < 400; step++) {
      const from = `slave ${names - 1 - random(3)}`;
      const own = [...real.keys()].filter((key) => key.startsWith(`${from} `));
      const what = random(12);
      if (what === 0) {
        reader.inbox.add(message(++seq));
      } else if (what === 1) {
        reader.inbox.forget(from);
        reader.inbox.add(member(from, step));
        own.forEach((key) => real.delete(key));
        names += random(2);
      } else if (what === 2) {
        await reader.take(random(4));
      } else if (own.length > 0 && (what < 7 || own.length >= keys)) {
        const key = own[random(own.length)];
        const set = random(2) === 0;
        const value = set ? step : undefined;
        reader.inbox.add(change(from, key.slice(from.length + 1), value));
        if (set) {
          real.set(key, value);
        } else {
          real.delete(key);
        }
      } else {
        const key = `key ${random(keys + 3)}`;
        reader.inbox.add(change(from, key, step));
        real.set(`${from} ${key}`, step);
      }
      most = Math.max(most, real.size);
    }
    const waiting = (await reader.take(1000)).filter(({ type }) => type === 'attribute');
    assert.ok(reader.news, 'each tells something new');
    assert.ok(waiting.length <= 2 * most, `${waiting.length} wait of ${most}`);
    if (!reader.entries.some(({ type }) => type === 'gap')) {
      assert.deepEqual(reader.known, Object.fromEntries([...real].sort()));
    }
  }
});

test('it does not grow by changes that were followed, nor by keys that are gone, nor by slaves that are', async () => {
  const reader = new Reader({ messages: 8, bytes: 1 << 20 });
  const before = used();
  for (let i = 0; i < 200_000; i++) {
    reader.inbox.add(change('alice', 'slide', 'x'.repeat(100) + i));
    reader.inbox.add(change('alice', `key ${i}`, 'x'.repeat(100) + i));
    reader.inbox.add(change('alice', `key ${i}`, undefined));
    reader.inbox.add(change(`slave ${i}`, 'hand', 'x'.repeat(100) + i));
    reader.inbox.forget(`slave ${i}`);
    if (i % 1000 === 0) {
      await reader.take(1);
    }
  }
  const grown = used() - before;
  assert.ok(grown < 1 << 20, `${grown} bytes`);
  assert.equal((await reader.take(9)).length, 1);
});

test('what was not taken is passed on', async () => {
  const reader = new Reader({ messages: 8, bytes: 1 << 20 });
  reader.inbox.add(change('alice', 'slide', 1));
  reader.inbox.end(true);
  assert.equal(await reader.inbox.take(), undefined);
  const other = new Reader({ messages: 8, bytes: 1 << 20 });
  other.inbox.add(change('alice', 'slide', 1));
  other.inbox.end();
  assert.equal((await other.inbox.take()).value, 1);
  assert.equal(await other.inbox.take(), undefined);
});
