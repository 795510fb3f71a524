/**
 * Sees to it that no text gets onto the page but through `plain`, whoever wrote it and whichever screen shows it: a screen can't forget to.
 * What is not shown (values, addresses, ids) stays as it is.
 */

import { Fragment, options } from "preact";

import { plain } from "./plain.js";

/** Attributes that are read, or read aloud. */
const SHOWN = ["aria-label", "title", "alt", "placeholder", "label"];

/** Begins. Call it once, before anything is rendered. */
export function showPlain(): void {
  const before = options.vnode?.bind(options);
  options.vnode = (node) => {
    if (typeof node.type === "string" || node.type === Fragment) makePlain(node.props);
    before?.(node);
  };
}

function makePlain(props: Record<string, unknown>): void {
  if ("children" in props) props["children"] = plainly(props["children"]);
  for (const name of SHOWN) if (typeof props[name] === "string") props[name] = plain(props[name]);
}

function plainly(children: unknown): unknown {
  if (typeof children === "string") return plain(children);
  return Array.isArray(children) ? children.map(plainly) : children;
}
