import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { SignalFan } from '../../../lib/weave/signal-fan.js';

test('all children are aborted with the reason, through one listener', () => {
  const parent = new AbortController();
  const fan = new SignalFan(parent.signal);
  const children = Array.from({ length: 50 }, () => fan.child()!);
  expect(getEventListeners(parent.signal, 'abort')).toHaveLength(1);
  expect(children.some(({ aborted }) => aborted)).toBe(false);
  const reason = new Error('enough');
  parent.abort(reason);
  for (const child of children) expect(child).toMatchObject({ aborted: true, reason });
  expect(fan.child()).toMatchObject({ aborted: true, reason });
});

test('after it is closed nothing is left on the parent, and children stay as they are', () => {
  const parent = new AbortController();
  const fan = new SignalFan(parent.signal);
  const child = fan.child()!;
  fan.close();
  expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0);
  parent.abort();
  expect(child.aborted).toBe(false);
});

test('without a parent there is nothing to listen to', () => {
  const fan = new SignalFan();
  expect(fan.child()).toBeUndefined();
  fan.close();
});
