/**
 * Shows Markdown that a stranger may have written. The parser's tokens become elements of a short list; nothing is ever read as HTML, no
 * picture is fetched, and a link goes nowhere but to the web or the mail, in a tab that knows nothing of this one.
 */

import MarkdownIt, { type Token } from "markdown-it";
import { type ComponentChild, h } from "preact";
import { useMemo, useState } from "preact/hooks";

import { bytesWords, t } from "../words.js";
import { focusCard } from "./small.js";

const parser = new MarkdownIt({ html: false, linkify: false, typographer: false });
const ELEMENTS: ReadonlySet<string> = new Set([
  "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "strong", "em", "s", "table", "thead", "tbody", "tr", "th", "td", "hr", "br", "code", "pre",
]);
/** So much is laid out at once, characters; the rest on request, as it is written, in pieces that a browser lays out when they are looked at. */
export const AT_ONCE = 256 * 1024;
const PIECE = 32 * 1024;

/** Shows a text, and says so where it does not show all of it. `shown` hears that the rest is there. */
export function Markdown({ text, shown }: { text: string; shown?: () => void }) {
  const [first, rest] = useMemo(() => cut(text, AT_ONCE), [text]);
  const content = useMemo(() => nodes(parser.parse(first, {})), [first]);
  const [all, setAll] = useState(false);
  const showAll = ({ currentTarget }: Event): void => {
    focusCard(currentTarget);
    setAll(true);
    shown?.();
  };
  return (
    <div class="markdown">
      {content}
      {rest === "" ? null
        : all ? pieces(rest).map((piece, at) => <pre key={at} class="piece">{piece}</pre>)
          : <p class="cut">{t("markdown.cut", { size: bytesWords(rest.length) })} <button type="button" onClick={showAll}>{t("markdown.all")}</button></p>}
    </div>
  );
}

/** Cuts a text in two, and no sign. */
function cut(text: string, most: number): readonly [string, string] {
  const at = text.length > most && text.codePointAt(most - 1) !== text.charCodeAt(most - 1) ? most - 1 : most;
  return [text.slice(0, at), text.slice(at)];
}

function pieces(text: string): string[] {
  const found: string[] = [];
  for (let left = text; left !== "";) {
    const [piece, behind] = cut(left, PIECE);
    found.push(piece);
    left = behind;
  }
  return found;
}

/** Turns tokens into elements, by a stack of those that are open. */
function nodes(tokens: readonly Token[]): ComponentChild[] {
  const top: Open = { tag: "", link: null, children: [] };
  const open: Open[] = [top];
  const put = (child: ComponentChild): void => void open.at(-1)?.children.push(child);
  for (const token of tokens) {
    if (token.hidden) continue;
    switch (token.nesting) {
      case 1: open.push({ tag: token.tag, link: token.tag === "a" ? safe(token.attrGet("href")) : null, children: [] }); break;
      case -1: {
        const done = open.length > 1 ? open.pop() : undefined;
        if (done !== undefined) put(element(done));
        break;
      }
      default: put(leaf(token));
    }
  }
  return top.children;
}

interface Open {
  tag: string;
  link: string | null;
  children: ComponentChild[];
}

function element({ tag, link, children }: Open): ComponentChild {
  if (tag === "a") return link === null ? children : h("a", { href: link, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
  // A table scrolls in a box of its own, which a keyboard can reach.
  if (tag === "table") return h("div", { class: "scrolls", tabIndex: 0, role: "group" }, h("table", {}, children));
  // The page has its own headings: those of an answer come below them.
  if (/^h[1-6]$/.test(tag)) return h("p", { class: "heading" }, children);
  return ELEMENTS.has(tag) ? h(tag, {}, children) : children;
}

function leaf(token: Token): ComponentChild {
  switch (token.type) {
    case "inline": return nodes(token.children ?? []);
    case "text": return token.content;
    case "softbreak": return "\n";
    case "hardbreak": return h("br", {});
    case "code_inline": return h("code", {}, token.content);
    case "fence":
    case "code_block": return h("pre", { tabIndex: 0 }, h("code", {}, token.content));
    case "hr": return h("hr", {});
    // A picture would be fetched from wherever its writer says: its words stand for it.
    case "image": return token.content;
    default: return token.content;
  }
}

function safe(href: string | number | null): string | null {
  try {
    const { protocol, href: whole } = new URL(String(href ?? ""));
    return ["https:", "http:", "mailto:"].includes(protocol) ? whole : null;
  } catch {
    return null; // what is relative would be relative to this app
  }
}
