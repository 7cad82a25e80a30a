// SPDX-License-Identifier: LGPL-2.1-or-later
// The table of guests. Each has its row for good, of which only the cells that change are touched;
// ages, which always do, only where somebody sees them.

import {bytes, duration, element, milliseconds, seconds, setClass, setText} from "./text.js";

// What a state means, and how it looks: good, busy, warning, bad or idle.
const states = {
	watching: ["good", "Runs; its next checkpoint is not due yet"],
	waiting: ["good", "Runs; its next checkpoint is due and waits for a slot"],
	capturing: ["busy", "Runs; a checkpoint is being taken"],
	refused: ["warning", "Runs; it cannot be captured now and is asked again soon"],
	failing: ["warning", "Runs; the last capture failed and is tried again"],
	lost: ["bad", "Its QEMU died; it is continued in a moment"],
	continuing: ["busy", "It is being continued"],
	settling: ["busy", "What was under way comes to its end"],
	down: ["bad", "Its QEMU died; a person has to do something"],
	absent: ["idle", "Does not run on this host"],
	stopped: ["idle", "Its user ended it"],
	unprotected: ["idle", "It is not protected any more"],
};
const order = ["down", "lost", "failing", "refused", "continuing", "settling", "capturing",
	"waiting", "watching", "absent", "stopped", "unprotected"];

const byName = new Intl.Collator(undefined, {numeric: true}); // web2 before web10
const body = document.getElementById("rows");
const none = document.getElementById("none");
const chips = document.getElementById("states");
const filter = document.getElementById("filter");
const headings = document.querySelectorAll("#guests button[data-sort]");
const rows = new Map(); // by name
const chipOf = new Map(); // by state; "late" and "" (all) too
let received = 0; // when the guests were heard of, by performance.now()
let silent = 0; // so long ago it is what is shown, because the daemon does not answer
let sorted = "name";
let descending = false;
let shown = ""; // the chip that is pressed
let chosen = "";

function look(state) {
	return (states[state] || ["idle", ""])[0];
}

// What the last answer said, and the time since.
export function age(guest) {
	return guest.age_ms === undefined ? undefined
		: guest.age_ms + Math.max(performance.now() - silent - received, 0);
}

// Nothing is lost of a guest that does not run.
function runs(guest) {
	return look(guest.state) !== "idle";
}

export function isTrouble(guest) {
	return guest.late || look(guest.state) === "bad" || guest.state === "failing";
}

export function find(name) {
	return rows.get(name) && rows.get(name).guest;
}

/* ---- rows -------------------------------------------------------------------------------- */

const observer = new IntersectionObserver((entries) => {
	for (const entry of entries) {
		const row = rows.get(entry.target.dataset.guest);
		if (row) {
			row.visible = entry.isIntersecting;
			drawAge(row);
		}
	}
}, {rootMargin: "200px"});

function makeRow(name) {
	const link = element("a", "", name);
	link.href = "#" + encodeURIComponent(name);
	const badge = element("span");
	const why = element("span", "why");
	const fill = element("span", "fill");
	const meter = element("span", "meter", fill);
	const ageText = element("span", "text");
	const heading = element("th", "name", link);
	heading.scope = "row";
	const cells = {};
	const tr = element("tr", "", heading, element("td", "state", badge, why),
		element("td", "age", meter, ageText));
	for (const column of ["pause", "memory", "rate", "restarts", "slips"])
		tr.append(cells[column] = element("td", "number " + column));
	tr.dataset.guest = name;
	observer.observe(tr);
	return {tr, badge, why, fill, meter, ageText, cells, visible: true, guest: null};
}

function drawAge(row) {
	if (!row.visible || row.tr.hidden)
		return;
	const guest = row.guest;
	const ms = age(guest);
	const part = ms === undefined || !runs(guest) ? 0 : Math.min(ms / (2 * guest.interval_ms), 1);
	const kind = !runs(guest) ? "idle" : guest.late || part >= 1 ? "bad"
		: ms > 1.5 * guest.interval_ms ? "warning" : "good";
	const transform = `scaleX(${part.toFixed(3)})`;
	if (row.fill.style.transform !== transform)
		row.fill.style.transform = transform;
	setClass(row.meter, "meter " + kind);
	setText(row.ageText, (ms === undefined ? "none" : duration(ms)) +
		` / ${seconds(guest.interval_ms)}`);
}

function draw(row) {
	const {guest, cells} = row;
	const last = guest.checkpoint || {};
	const text = (value, how) => value === undefined ? "–" : how(value);
	setText(row.badge, guest.state);
	setClass(row.badge, "badge " + look(guest.state));
	row.badge.title = (states[guest.state] || ["", ""])[1];
	setText(row.why, guest.why || "");
	setText(cells.pause, text(last.pause_ms, milliseconds));
	setText(cells.memory, text(last.memory_bytes, bytes));
	setText(cells.rate, text(last.bytes_written,
		(count) => bytes(count * 1000 / guest.interval_ms) + "/s"));
	setText(cells.restarts, String(guest.restarts));
	setText(cells.slips, String(guest.slips));
	setClass(cells.restarts, "number restarts" + (guest.restarts ? "" : " zero"));
	setClass(cells.slips, "number slips" + (guest.slips ? "" : " zero"));
	drawAge(row);
}

/* ---- which, and in which order ------------------------------------------------------------- */

function isWanted(guest) {
	return guest.name.toLowerCase().includes(filter.value.trim().toLowerCase()) &&
		(!shown || (shown === "late" ? guest.late : guest.state === shown));
}

const compare = {
	name: () => 0,
	state: (a, b) => order.indexOf(a.state) - order.indexOf(b.state),
	age: (a, b) => (age(b) ?? -1) / b.interval_ms - (age(a) ?? -1) / a.interval_ms,
};

// Rows are moved only where the order has changed.
function arrange() {
	const list = [...rows.values()].sort((a, b) => compare[sorted](a.guest, b.guest) ||
		byName.compare(a.guest.name, b.guest.name));
	let place = body.firstChild;
	let count = 0;
	if (descending)
		list.reverse();
	for (const row of list) {
		if (row.tr === place)
			place = place.nextSibling;
		else
			body.insertBefore(row.tr, place);
		const hidden = !isWanted(row.guest);
		if (row.tr.hidden !== hidden)
			row.tr.hidden = hidden;
		count += !hidden;
	}
	none.hidden = count > 0;
	setText(none, rows.size ? "No guest is like that."
		: "No guest is protected yet: vmguard protect NAME");
}

function press(state) {
	shown = shown === state ? "" : state;
	for (const [which, chip] of chipOf)
		chip.setAttribute("aria-pressed", which === shown);
	arrange();
	drawAll();
}

function makeChip(state) {
	const chip = element("button", "chip " + (state === "late" ? "bad" : state && look(state)));
	chip.addEventListener("click", () => press(state));
	chip.setAttribute("aria-pressed", state === shown);
	chips.append(chip);
	return chip;
}

function drawChips(counts) {
	for (const state of ["", "late", ...order]) {
		const count = counts.get(state) || 0;
		if (!chipOf.has(state))
			chipOf.set(state, makeChip(state));
		const chip = chipOf.get(state);
		chip.hidden = !count && state !== shown;
		setText(chip, `${state || "all"} ${count}`);
	}
}

/* ---- for the page ------------------------------------------------------------------------- */

function drawAll() {
	for (const row of rows.values())
		draw(row);
}

// Once a second. silence: for so long nothing was heard of, and nobody knows what happened since.
export function tick(silence) {
	silent = silence;
	if (sorted === "age")
		arrange();
	for (const row of rows.values())
		drawAge(row);
}

export function choose(name) {
	if (rows.has(chosen))
		rows.get(chosen).tr.removeAttribute("aria-current");
	if (rows.has(name))
		rows.get(name).tr.setAttribute("aria-current", "true");
	chosen = name;
}

export function update(guests) {
	const counts = new Map([["", guests.length]]);
	const gone = new Set(rows.keys());
	received = performance.now();
	for (const guest of guests) {
		gone.delete(guest.name);
		if (!rows.has(guest.name))
			rows.set(guest.name, makeRow(guest.name));
		rows.get(guest.name).guest = guest;
		for (const which of guest.late ? [guest.state, "late"] : [guest.state])
			counts.set(which, (counts.get(which) || 0) + 1);
	}
	for (const name of gone) {
		observer.unobserve(rows.get(name).tr);
		rows.get(name).tr.remove();
		rows.delete(name);
	}
	drawChips(counts);
	arrange();
	choose(chosen);
	drawAll();
}

function sortBy(key) {
	descending = sorted === key && !descending;
	sorted = key;
	for (const heading of headings)
		if (heading.dataset.sort === key)
			heading.parentNode.setAttribute("aria-sort", descending ? "descending" : "ascending");
		else
			heading.parentNode.removeAttribute("aria-sort");
	arrange();
}

for (const heading of headings)
	heading.addEventListener("click", () => sortBy(heading.dataset.sort));
filter.addEventListener("input", () => {
	arrange();
	drawAll();
});
