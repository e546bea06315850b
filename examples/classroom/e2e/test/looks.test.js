import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LAPTOP, PHONE, Stage } from './support/stage.js';

test('in forced colours there are still bars, lamps and a ledge', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, ben] = await Promise.all(['Ms Okafor', 'Ada', 'Ben'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await ben.joins(link);
  await teacher.knows('Ben', 'online');
  await teacher.asks('Ready?', ['Yes', 'No', 'Perhaps']);
  await ada.answers('Yes');
  await teacher.counts('Ready?', 'Yes', 1);
  await teacher.putsOnBoard('Page 12');
  await ada.board('Page 12');
  await ada.raisesHand();
  for (const person of [ada, ben]) {
    await person.page.emulateMedia({ forcedColors: 'active' });
  }
  const hand = ({ page }) => page.getByRole('button', { name: / hand$/ }).evaluate((button) => getComputedStyle(button).outlineStyle);
  assert.notEqual(await hand(ada), await hand(ben), 'a hand that is up looks different');
  const around = ({ page }) => page.locator('.blackboard').evaluate((board) => getComputedStyle(board).borderStyle);
  assert.equal(await around(ada), 'solid');
  for (const colorScheme of ['light', 'dark']) {
    await teacher.page.emulateMedia({ forcedColors: 'active', colorScheme });
    const bars = await teacher.page.locator('.bar').evaluateAll((all) => all.map((bar) => {
      const { backgroundColor, clipPath } = getComputedStyle(bar);
      return { backgroundColor, around: getComputedStyle(bar.closest('.chart')).backgroundColor, clipPath };
    }));
    for (const { backgroundColor, around } of bars) {
      assert.notEqual(backgroundColor, 'rgba(0, 0, 0, 0)');
      assert.notEqual(backgroundColor, around, 'a bar has another colour than what is around it');
    }
    assert.equal(new Set(bars.map(({ clipPath }) => clipPath)).size, 2, 'and its length');
    const background = (selector) => teacher.page.locator(selector).first().evaluate((element) => getComputedStyle(element).backgroundColor);
    const canvas = await background('body');
    for (const selector of ['.member[data-state=online] .dot', '.ledge-left', '.board-state .lamp']) {
      assert.notEqual(await background(selector), canvas, selector);
      assert.notEqual(await background(selector), 'rgba(0, 0, 0, 0)', selector);
    }
  }
  stage.quiet();
});

test('on a phone both ways into a class are in sight at once', async (t) => {
  const stage = await Stage.open(t);
  const teacher = await stage.person('Ms Okafor');
  const link = await teacher.opens('Biology 7b');
  const ada = await stage.person('Ada', { viewport: PHONE });
  for (const viewport of [PHONE, { width: 360, height: 640 }, { width: 375, height: 667 }]) {
    await ada.page.setViewportSize(viewport);
    for (const [url, name] of [[stage.url, 'Join'], [link, 'Join the class'], [stage.url, 'Open']]) {
      await ada.page.goto(url);
      const button = ada.page.getByRole('button', { name, exact: true });
      await button.waitFor();
      if (url === link) {
        await ada.sees('Ms Okafor is here.');
      }
      const { y, height } = await button.boundingBox();
      assert.ok(y >= 0 && y + height <= viewport.height, `${name} ends at ${y + height} of ${viewport.height}`);
      assert.equal(await ada.page.evaluate(() => scrollY), 0);
    }
  }
  stage.quiet();
});

test('stepping away says what it does, where one decides', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '45s' });
  const teacher = await stage.person('Ms Okafor');
  await teacher.opens('Biology 7b');
  const told = 'Stepping away ends the class after 45 seconds, unless you are back by then.';
  for (const viewport of [LAPTOP, PHONE, { width: 640, height: 340 }]) {
    await teacher.page.setViewportSize(viewport);
    await teacher.sees(told);
  }
  const described = await teacher.button('Step away').evaluate((button) => (
    document.getElementById(button.getAttribute('aria-describedby')).textContent));
  assert.equal(described, told);
  await teacher.button('Step away').click();
  await teacher.sees('You are away. The class is over in');
  await teacher.gone(told);
  await teacher.button('I’m back').click();
  await teacher.sees(told);
  stage.quiet();
});

test('the countdown does not go by a clock that is set', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '45s' });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  const left = async ({ page }) => {
    const [minutes, seconds] = (await page.getByRole('timer').textContent()).split(':').map(Number);
    return 60 * minutes + seconds;
  };
  await teacher.button('Step away').click();
  await ada.sees('Ms Okafor is away. The class is over in');
  await teacher.sees('You are away. The class is over in');
  for (const hours of [1, -1]) {
    for (const person of [teacher, ada]) {
      await person.page.evaluate((by) => {
        const now = globalThis.realNow ??= Date.now;
        Date.now = () => now() + by;
      }, hours * 3_600_000);
      const before = await left(person);
      // The next second has come, by the same clock as the one before.
      await person.page.waitForFunction((text) => {
        const [minutes, seconds] = document.querySelector('[role=timer]').textContent.split(':').map(Number);
        return 60 * minutes + seconds !== text;
      }, before);
      const after = await left(person);
      assert.ok(after < before && after >= before - 5, `${after} after ${before}`);
    }
  }
  stage.quiet();
});
