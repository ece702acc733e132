// Small helpers to build and find elements without a framework.

export type Child = Node | string | null | undefined | false;

/** An attribute (string, number, boolean) or, for names that begin with `on`, a listener. */
export type Props = Record<string, unknown>;

/** Makes an element; `false`, `null` and `undefined` leave an attribute out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on') && typeof value === 'function') {
      element.addEventListener(name.slice(2), value as EventListener);
    } else {
      attribute(element, name, value);
    }
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));

  return element;
}

/** Sets an attribute, or takes it away for `false`, `null` and `undefined`. */
export function attribute(element: Element, name: string, value: unknown): void {
  if (value === false || value === null || value === undefined) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? '' : String(value));
  }
}

let ids = 0;

/** Gives an id that is unique in the page, to tie a label to its field. */
export function uniqueId(prefix: string): string {
  ids += 1;

  return `${prefix}-${ids}`;
}
