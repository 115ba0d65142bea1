import { useMemo, useState } from 'react';
import { CopyButton } from '../ui/CopyButton';
import { CloseIcon } from '../ui/icons';
import '../styles/wire.css';
import { FrameList } from './FrameList';
import { FrameView } from './FrameView';
import { asSse, type Frame, framesOf } from './frames';
import { NumbersView } from './NumbersView';
import { numbersOf } from './numbers';
import { Recordings } from './Recordings';
import { TimeLine } from './TimeLine';
import { useWire } from './useWire';

type Props = { chat: string; onClose: () => void };

/** What went over the wire for an answer, and when: by default the newest one of the chat. */
export default function WireDrawer({ chat, onClose }: Props) {
  const recordings = useWire(chat);
  const [chosen, choose] = useState<number>();
  const [search, setSearch] = useState('');
  const [selected, select] = useState<Frame>();
  const recording = recordings.find(({ number }) => number === chosen) ?? recordings[0];
  const frames = recording ? framesOf(recording) : [];
  const wanted = search.toLowerCase();
  // By length, since it is the same array that grows.
  const { length } = frames;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` tells that it grew
  const found = useMemo(
    () => (wanted ? frames.filter(({ raw }) => raw.toLowerCase().includes(wanted)) : [...frames]),
    [frames, length, wanted],
  );
  const shown = selected && frames[selected.number - 1] === selected ? selected : undefined;

  return (
    <section className="wire" aria-label="Wire">
      <header>
        <h2>Wire</h2>
        <Recordings recordings={recordings} current={recording} onChoose={choose} />
        <button type="button" className="icon-button" aria-label="Close the wire" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      {recording ? (
        <>
          <NumbersView recording={recording} numbers={numbersOf(recording, frames)} />
          <TimeLine recording={recording} frames={frames} selected={shown} onSelect={select} />
          <div className="wire-tools">
            <input
              type="search"
              value={search}
              placeholder="Search the chunks"
              aria-label="Search the chunks"
              onChange={event => setSearch(event.target.value)}
            />
            <span className="faded" role="status">
              {wanted ? `${found.length} of ${length}` : `${length} frames`}
            </span>
            <CopyButton text={() => asSse(recording)} label="Copy as SSE" />
          </div>
          <div className="wire-frames">
            <FrameList
              key={recording.number}
              frames={found}
              live={!recording.end}
              selected={shown}
              onSelect={select}
            />
            {shown && <FrameView frame={shown} onClose={() => select(undefined)} />}
          </div>
        </>
      ) : (
        <p className="faded">Ask something, and see here what arrives when.</p>
      )}
    </section>
  );
}
