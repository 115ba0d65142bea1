import type { Element } from 'hast';

/** The text of an element whose children are texts, such as `code`. */
export function textOf({ children }: Element): string {
  return children.map(child => (child.type === 'text' ? child.value : '')).join('');
}

export function classesOf({ properties }: Element): string[] {
  const { className } = properties;
  return Array.isArray(className) ? className.map(String) : [];
}
