// What the pages do beyond plain links and forms: ask for the part that changes
// without getting the same again, say when that does not work, and count.
"use strict";

const live = () => document.getElementById("live");
const notice = (text) => {
	const p = document.getElementById("link");
	if (!p) return;
	if (p.textContent !== text) p.textContent = text;
	p.hidden = text === "";
};

document.addEventListener("htmx:config:request", (event) => {
	const ctx = event.detail.ctx, tag = ctx.sourceElement.dataset.etag;
	if (tag) ctx.request.headers["If-None-Match"] = tag;
});
document.addEventListener("htmx:before:request", (event) => {
	if (document.hidden) event.preventDefault();
});
document.addEventListener("htmx:before:response", (event) => {
	const ctx = event.detail.ctx, raw = ctx.response.raw;
	if (raw.redirected || raw.status === 401) {
		// A sign-in page has no place in the middle of this one.
		event.preventDefault();
		notice("You are signed out. Reload the page to sign in.");
		return;
	}
	if (raw.status === 200) {
		const tag = raw.headers.get("ETag");
		if (tag) ctx.sourceElement.dataset.etag = tag;
	}
	notice(raw.status < 400 ? "" : "This page does not update itself now. It tries again by itself.");
});
document.addEventListener("htmx:error", () => notice("The console can't be reached. This page is as it was last; it tries again by itself."));

const many = (n, what) => n + " " + what + (n === 1 ? "" : "s");
const span = (seconds) => {
	const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
	if (days >= 14) return days + " days";
	if (days > 0) return many(days, "day") + (hours ? " " + hours + " h" : "");
	if (hours > 0) return hours + " h " + minutes + " min";
	return (minutes ? minutes + " min " : "") + (seconds % 60) + " s";
};
const tick = () => {
	for (const cell of document.querySelectorAll("[data-until]")) {
		const left = Math.floor((Date.parse(cell.dataset.until) - Date.now()) / 1000);
		const text = left > 0 ? "in " + span(left) : "now";
		if (cell.textContent !== text) cell.textContent = text;
	}
};
// A row that moves keeps the focus, and whoever has scrolled away from it stays
// where they are.
let scrolled = 0;
document.addEventListener("htmx:before:swap", () => { scrolled = scrollY; });
document.addEventListener("htmx:after:swap", () => {
	if (Math.abs(scrollY - scrolled) > innerHeight / 3) scrollTo(0, scrolled);
	tick();
});
// The moment in UTC, for who points at one.
document.addEventListener("mouseover", (event) => {
	const time = event.target.closest("time");
	if (time) time.title = time.dateTime.replace("T", " ").replace("Z", " UTC");
});
if (live()) setInterval(tick, 1000);
tick();
