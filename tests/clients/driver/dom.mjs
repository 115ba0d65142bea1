// React over a document without a browser.
import { parseHTML } from 'linkedom';

const { window } = parseHTML('<!doctype html><html><body></body></html>');
Object.assign(globalThis, { window, document: window.document });
const react = await import('react');
const { createRoot } = await import('react-dom/client');

export const { createElement, useEffect, useState } = react;

/** Renders a component; its root. */
export function render(component) {
  const root = createRoot(document.createElement('div'));
  root.render(createElement(component));
  return root;
}
