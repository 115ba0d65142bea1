import { InlineImage } from './InlineImage';

/**
 * A JSON value and its label: a flat object as a list of its properties, an image as an image,
 * anything else as JSON. Values that may be long can be scrolled with the keyboard.
 */
export function ValueRow({ label, value }: { label: string; value: unknown }) {
  if (value === undefined) return null;
  return (
    <div>
      <dt>{label}</dt>
      <dd>{renderValue(value)}</dd>
    </div>
  );
}

function renderValue(value: unknown) {
  if (typeof value === 'string') {
    if (value.startsWith('data:image/')) return <InlineImage url={value} />;
    return value.includes('\n') ? <pre tabIndex={0}>{value}</pre> : value;
  }
  if (isFlatObject(value)) return <PropertyList object={value} />;
  if (Array.isArray(value) && value.length > 0 && value.every(isFlatObject)) {
    return (
      <ol className="value-list">
        {value.map((item, index) => (
          <li key={index}>
            <PropertyList object={item} />
          </li>
        ))}
      </ol>
    );
  }
  return <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>;
}

function PropertyList({ object }: { object: FlatObject }) {
  return (
    <ul className="property-list">
      {Object.entries(object).map(([name, value]) => (
        <li key={name}>
          <span className="muted">{name}</span>{' '}
          {Array.isArray(value) ? value.join(', ') : String(value)}
        </li>
      ))}
    </ul>
  );
}

type Scalar = string | number | boolean | null;
type FlatObject = Record<string, Scalar | Scalar[]>;

/** Maximum length of an array that is shown on one line. */
const MAX_INLINE_ITEMS = 12;

const isScalar = (value: unknown): value is Scalar => value === null || typeof value !== 'object';

/** Whether the value is an object of scalars and short arrays of scalars. */
function isFlatObject(value: unknown): value is FlatObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(
    item =>
      isScalar(item) ||
      (Array.isArray(item) && item.length <= MAX_INLINE_ITEMS && item.every(isScalar)),
  );
}
