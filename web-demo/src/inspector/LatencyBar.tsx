import { formatDuration, type LatencyBreakdown } from './metrics';

/** The time until the first token is seen as a bar, divided by where it was spent. */
export function LatencyBar(latency: LatencyBreakdown) {
  const segments = [
    { name: 'server', label: 'Server', duration: latency.server },
    { name: 'provider', label: 'Provider', duration: latency.provider },
    { name: 'network', label: 'Network and proxies', duration: latency.network },
    { name: 'browser', label: 'Browser', duration: latency.browser },
  ];
  return (
    <div className="latency" role="group" aria-label="Time to first token">
      <div className="latency-bar" aria-hidden="true">
        {segments.map(({ name, duration }) => (
          <i key={name} data-segment={name} style={{ flexGrow: duration }} />
        ))}
      </div>
      <ul>
        {segments.map(({ name, label, duration }) => (
          <li key={name} data-segment={name}>
            {label} {formatDuration(duration)}
          </li>
        ))}
      </ul>
    </div>
  );
}
