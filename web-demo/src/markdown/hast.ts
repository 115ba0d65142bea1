import type { Element } from 'hast';

/** Return the text of an element that contains only text, such as `code`. */
export function textContentOf({ children }: Element): string {
  return children.map(child => (child.type === 'text' ? child.value : '')).join('');
}

export function classNamesOf({ properties }: Element): string[] {
  const { className } = properties;
  return Array.isArray(className) ? className.map(String) : [];
}
