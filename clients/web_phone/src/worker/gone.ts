/**
 * The page that stands for the app when its files are gone from this browser and the server has none of that version. Pure.
 *
 * It takes nothing by itself: the server's version comes when the person asks for it. docs/web-phone.md "Versions".
 */

const WORDS = {
  en: {
    what: "This browser no longer has the files of this version, and the server has others.",
    stays: "Your pairings and threads are still here. Nothing of another version was taken.",
    take: "Use the server's version",
  },
  de: {
    what: "Dieser Browser hat die Dateien dieser Fassung nicht mehr, und der Server hat andere.",
    stays: "Deine Kopplungen und Verläufe sind noch hier. Von einer anderen Fassung wurde nichts genommen.",
    take: "Die Fassung des Servers benutzen",
  },
} as const;

// Without its worker the browser asks the server again, and what comes then registers its own.
const TAKES = "document.querySelector('button').onclick = async () => { await (await navigator.serviceWorker.getRegistration())?.unregister(); location.reload(); };";

const STYLE = "body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:15vh auto;padding:0 1rem;text-align:center}button{font:inherit;padding:.6rem 1rem}";

/** Makes the page. Nothing in it comes from anywhere else, so what is inline may run. */
export function gone(language: string): Response {
  const spoken = language.toLowerCase().startsWith("de") ? "de" : "en";
  const { what, stays, take } = WORDS[spoken];
  const page = `<!doctype html><html lang="${spoken}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">`
    + "<meta name=\"color-scheme\" content=\"light dark\"><title>Dispatch</title>" + `<style>${STYLE}</style>`
    + `<main><h1>Dispatch</h1><p>${what}</p><p>${stays}</p><button type="button">${take}</button></main><script>${TAKES}</script></html>`;
  const policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  return new Response(page, { status: 503, headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": policy } });
}
