// Shows what came in while a page is open. A reader who is on a link stays on
// it; who can't see the page is told what is new.
(() => {
  const news = document.getElementById("news");
  let down = false;
  async function look() {
    try {
      const { version } = await (await fetch("/api/version")).json();
      if (down) { down = false; news.textContent = ""; }
      const old = document.getElementById("live");
      if (version !== old.dataset.version) {
        const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
        const fresh = page.getElementById("live");
        const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        const atEnd = innerHeight + scrollY >= document.body.scrollHeight - 40;
        const isNew = fresh.dataset.latest !== old.dataset.latest;
        old.replaceWith(fresh);
        if (focused) fresh.querySelector('a[href="' + CSS.escape(focused) + '"]')?.focus();
        if (atEnd && "follow" in fresh.dataset) scrollTo(0, document.body.scrollHeight);
        if (isNew) news.textContent = fresh.dataset.latest;
      }
    } catch {
      down = true;
      news.textContent = "Nothing answers here any more: the development world has stopped.";
    }
    setTimeout(look, 2000);
  }
  setTimeout(look, 2000);
})();
