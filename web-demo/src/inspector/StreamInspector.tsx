import { useMemo, useState } from 'react';
import { CopyButton } from '../ui/CopyButton';
import { CloseIcon } from '../ui/icons';
import '../styles/inspector.css';
import { FrameDetails } from './FrameDetails';
import { FrameList } from './FrameList';
import { type Frame, framesOf } from './frames';
import { MetricsView } from './MetricsView';
import { streamMetrics } from './metrics';
import { RecordingSelect } from './RecordingSelect';
import { recordedText } from './recorder';
import { Timeline } from './Timeline';
import { useRecordings } from './useRecordings';

type Props = { chatId: string; onClose: () => void };

/** A panel that shows the frames of a response stream and when each arrived. */
export default function StreamInspector({ chatId, onClose }: Props) {
  const recordings = useRecordings(chatId);
  // undefined: the newest request
  const [selectedNumber, setSelectedNumber] = useState<number>();
  const [search, setSearch] = useState('');
  const [selectedFrame, setSelectedFrame] = useState<Frame>();
  const recording = recordings.find(({ number }) => number === selectedNumber) ?? recordings[0];
  const frames = recording ? framesOf(recording) : [];
  const query = search.toLowerCase();
  // The array is the same one while it grows, so its length is what changes.
  const { length } = frames;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` changes as frames arrive
  const matches = useMemo(
    () => (query ? frames.filter(({ raw }) => raw.toLowerCase().includes(query)) : [...frames]),
    [frames, length, query],
  );
  // The selected frame may belong to another recording.
  const selected =
    selectedFrame && frames[selectedFrame.number - 1] === selectedFrame ? selectedFrame : undefined;

  return (
    <section className="inspector" aria-label="Stream inspector">
      <header>
        <h2>Stream inspector</h2>
        <RecordingSelect recordings={recordings} current={recording} onSelect={setSelectedNumber} />
        <button
          type="button"
          className="icon-button"
          aria-label="Close stream inspector"
          onClick={onClose}
        >
          <CloseIcon />
        </button>
      </header>
      {recording ? (
        <>
          <MetricsView recording={recording} metrics={streamMetrics(recording, frames)} />
          <Timeline
            recording={recording}
            frames={frames}
            selected={selected}
            onSelect={setSelectedFrame}
          />
          <div className="inspector-toolbar">
            <input
              type="search"
              value={search}
              placeholder="Search chunks"
              aria-label="Search chunks"
              onChange={event => setSearch(event.target.value)}
            />
            <span className="muted" role="status">
              {query ? `${matches.length} of ${length}` : `${length} frames`}
            </span>
            <CopyButton text={() => recordedText(recording)} label="Copy as SSE" />
          </div>
          <div className="inspector-frames">
            <FrameList
              key={recording.number}
              frames={matches}
              followEnd={!recording.outcome}
              selected={selected}
              onSelect={setSelectedFrame}
            />
            {selected && (
              <FrameDetails frame={selected} onClose={() => setSelectedFrame(undefined)} />
            )}
          </div>
        </>
      ) : (
        <p className="muted">Send a message to see the frames of the response as they arrive.</p>
      )}
    </section>
  );
}
