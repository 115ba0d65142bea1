import { readableTime, type Split } from './numbers';

/** Where the time until the first token went: what the server told, and the rest of what we saw. */
export function SplitBar(split: Split) {
  const hops = [
    { name: 'server', what: 'Server', time: split.server },
    { name: 'provider', what: 'Provider', time: split.provider },
    { name: 'way', what: 'Network and proxies', time: split.way },
  ];
  return (
    <div className="split" role="group" aria-label="Until the first token">
      <div className="split-bar" aria-hidden="true">
        {hops.map(({ name, time }) => (
          <i key={name} data-hop={name} style={{ flexGrow: time }} />
        ))}
      </div>
      <ul>
        {hops.map(({ name, what, time }) => (
          <li key={name} data-hop={name}>
            {what} {readableTime(time)}
          </li>
        ))}
      </ul>
    </div>
  );
}
