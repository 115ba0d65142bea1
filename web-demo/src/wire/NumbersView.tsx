import { readableSize } from '../attachments/files';
import { isHeldBack, type Numbers, readableTime } from './numbers';
import type { Recording } from './recorder';
import { SplitBar } from './SplitBar';

type Props = { recording: Recording; numbers: Numbers };

/** The numbers that tell a good connection from a bad one. */
export function NumbersView({ recording, numbers }: Props) {
  const { perSecond } = numbers;
  const facts: [name: string, value: string][] = [
    ['First byte', readableTime(numbers.firstByte)],
    ['First token', readableTime(numbers.firstToken)],
    ['Longest gap', readableTime(numbers.longestGap)],
    ['Frames a second', perSecond === undefined ? '–' : perSecond.toFixed(perSecond < 10 ? 1 : 0)],
    ['Total', readableTime(numbers.total)],
    ['Received', readableSize(numbers.bytes)],
    ['Sent', readableSize(recording.sent)],
  ];
  return (
    <>
      <dl className="wire-numbers">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {numbers.split && <SplitBar {...numbers.split} />}
      {isHeldBack(recording, numbers) && (
        <p className="problem" role="alert">
          Most of this answer came at once: something between the server and this page holds answers
          back until they are whole. Often it is a proxy that buffers or compresses.
        </p>
      )}
    </>
  );
}
