import { Picture } from './Picture';

/**
 * A JSON value with its name: short facts as a list, a picture as such, all else as JSON. What may
 * be long scrolls, by keyboard too.
 */
export function Value({ label, value }: { label: string; value: unknown }) {
  if (value === undefined) return null;
  return (
    <div>
      <dt>{label}</dt>
      <dd>{draw(value)}</dd>
    </div>
  );
}

function draw(value: unknown) {
  if (typeof value === 'string') {
    if (value.startsWith('data:image/')) return <Picture url={value} />;
    return value.includes('\n') ? <pre tabIndex={0}>{value}</pre> : value;
  }
  if (isFlat(value)) return <Facts facts={value} />;
  if (Array.isArray(value) && value.length > 0 && value.every(isFlat)) {
    return (
      <ol className="values">
        {value.map((item, index) => (
          <li key={index}>
            <Facts facts={item} />
          </li>
        ))}
      </ol>
    );
  }
  return <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>;
}

function Facts({ facts }: { facts: Record<string, Fact | Fact[]> }) {
  return (
    <ul className="facts">
      {Object.entries(facts).map(([name, fact]) => (
        <li key={name}>
          <span className="faded">{name}</span>{' '}
          {Array.isArray(fact) ? fact.join(', ') : String(fact)}
        </li>
      ))}
    </ul>
  );
}

type Fact = string | number | boolean | null;

const isFact = (value: unknown): value is Fact => value === null || typeof value !== 'object';

/** Whether it is an object of facts and short lists of them. */
function isFlat(value: unknown): value is Record<string, Fact | Fact[]> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(
    fact => isFact(fact) || (Array.isArray(fact) && fact.length <= 12 && fact.every(isFact)),
  );
}
