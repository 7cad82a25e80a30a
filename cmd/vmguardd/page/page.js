// SPDX-License-Identifier: LGPL-2.1-or-later
// The status page: what the daemon says goes to the line of the host, the table of guests, the
// guest that is chosen (#NAME in the address) and the events. It only reads.

import {ask, connect, isLost, on, silence} from "./connection.js";
import {drawChart, median} from "./chart.js";
import * as guests from "./guests.js";
import {bytes, clock, duration, element, milliseconds, moment, seconds, setClass,
	setText} from "./text.js";

const EVENTS_KEPT = 1000;
const EVENTS_SHOWN = 30;
const CHECKPOINTS_SHOWN = 8;

const at = (id) => document.getElementById(id);
let host = "vmguard";
let events = []; // oldest first
let clockSkew = 0; // of the daemon's clock against this one, ms
let silent = 0; // for so long the daemon has not answered, if it does not
let history = null; // of the chosen guest
let historyOf = ""; // guest and checkpoint that it was asked for
const before = new Map(); // the state of each guest, to say what changes

/* ---- the host ------------------------------------------------------------------------------- */

function fact(id, kind, ...lines) {
	const texts = lines.filter((line) => line).map((line) => element("span", "", line));
	setClass(at(id), kind);
	if (at(id).textContent !== texts.map((t) => t.textContent).join(""))
		at(id).replaceChildren(...texts);
}

function showSpool({bytes: used, limit_bytes: limit}) {
	const part = limit ? used / limit : 0;
	fact("fact-spool", part > 0.9 ? "bad" : part > 0.7 ? "warning" : "", bytes(used),
		limit ? `of ${bytes(limit)}` : "");
}

function showHost(h) {
	const away = h.libvirt.filter((l) => !l.up);
	const {running, waiting, limit} = h.captures;
	host = h.host;
	clockSkew = Date.parse(h.time) - Date.now();
	setText(at("host"), h.host);
	fact("fact-store", h.store_up ? "good" : "bad", h.store_up ? "up" : "away", h.store);
	fact("fact-libvirt", away.length ? "bad" : h.libvirt.length ? "good" : "",
		!h.libvirt.length ? "not used" : away.length ? "away" : "up",
		(away.length ? away : h.libvirt).map((l) => l.uri).join(", "));
	fact("fact-captures", "", `${running} of ${limit}`, waiting ? `${waiting} due` : "none is due");
	showSpool(h.spool);
	fact("fact-daemon", "", h.version, `since ${moment(h.started)}`);
}

/* ---- guests --------------------------------------------------------------------------------- */

function say(text) {
	setText(at("said"), text);
}

// Only what somebody should hear of.
function sayChanges(list) {
	const news = list.filter((g) => before.has(g.name) && before.get(g.name) !== g.state &&
		guests.isTrouble(g)).map((g) => `${g.name} is ${g.state}`);
	if (news.length)
		say(news.length > 3 ? `${news.length} guests are in trouble` : news.join(", "));
	before.clear();
	for (const g of list)
		before.set(g.name, g.state);
}

function showGuests({time, guests: list}) {
	const troubled = list.filter(guests.isTrouble).length;
	clockSkew = Date.parse(time) - Date.now();
	guests.update(list);
	fact("fact-guests", troubled ? "trouble" : "", String(list.length),
		troubled ? `${troubled} in trouble` : "none in trouble");
	document.title = (troubled ? `(${troubled}) ` : "") + `${host} · vmguard`;
	sayChanges(list);
	showChosen();
}

/* ---- the chosen guest ----------------------------------------------------------------------- */

function chosenName() {
	try {
		return decodeURIComponent(location.hash.slice(1));
	} catch (e) {
		return "";
	}
}

function showFacts(guest) {
	const last = guest.checkpoint || {};
	const facts = [
		["State", `${guest.state} since ${moment(guest.since)}`],
		["Interval", seconds(guest.interval_ms)],
		["Memory", last.memory_bytes === undefined ? "–" : bytes(last.memory_bytes)],
		["Captures", `${guest.captures}, ${guest.captures_failed} failed, ` +
			`${guest.captures_refused} refused`],
		["Slips", String(guest.slips)],
		["Restarts", String(guest.restarts)],
		["When it dies", {resume: "goes on from its last checkpoint", reboot: "boots",
			manual: "waits for a person"}[guest.on_failure]],
		[guest.qmp ? "QMP socket" : "Domain",
			guest.qmp || [guest.domain, guest.connect].filter((t) => t).join(" · ") || "–"],
	];
	const list = at("guest-facts");
	if (!list.children.length)
		list.append(...facts.map(() => element("div", "", element("dt"), element("dd"))));
	facts.forEach(([name, text], i) => {
		setText(list.children[i].firstChild, name);
		setText(list.children[i].lastChild, text);
	});
}

function showCheckpoints(captures) {
	const text = (value, how) => value === undefined ? "–" : how(value);
	const cell = (className, what) => element("td", className, what);
	at("checkpoints").tBodies[0].replaceChildren(
		...captures.slice(-CHECKPOINTS_SHOWN).reverse().map((c) => element("tr", "",
			cell("", String(c.number)), cell("", text(c.time, moment)),
			cell("number", text(c.pause_ms, milliseconds)),
			cell("number", text(c.duration_ms, seconds)),
			cell("number", text(c.bytes_written, bytes)))));
}

function showHistory() {
	const captures = history ? history.captures : [];
	const pauses = captures.map((c) => c.pause_ms || 0);
	at("checkpoints").hidden = !captures.length;
	if (!captures.length) {
		at("chart").replaceChildren();
		setText(at("chart-summary"), "No checkpoint since the daemon was started.");
		return;
	}
	drawChart(at("chart"), history, Date.now() + clockSkew - silent);
	setText(at("chart-summary"), `${captures.length} checkpoints since ` +
		`${moment(captures[0].time)}; the pause was ${milliseconds(median(pauses))} in the ` +
		`middle and ${milliseconds(Math.max(...pauses))} at most.`);
}

async function askHistory(guest) {
	const of = `${guest.name}/${guest.checkpoint ? guest.checkpoint.number : 0}`;
	if (of === historyOf)
		return;
	historyOf = of;
	try {
		const answer = await ask(`/v1/guests/${encodeURIComponent(guest.name)}/history`);
		if (historyOf !== of)
			return; // another was chosen meanwhile
		history = answer;
		showCheckpoints(history.captures);
		showHistory();
	} catch (e) {
		historyOf = ""; // again with the next news
	}
}

function showChosen() {
	const name = chosenName();
	const guest = guests.find(name);
	guests.choose(name);
	at("guest").hidden = !name;
	document.body.classList.toggle("chosen", name !== "");
	if (!name)
		return;
	setText(at("guest-name"), name);
	setText(at("guest-why"), guest ? guest.why || "" : "It is not protected here.");
	at("guest-facts").hidden = !guest;
	if (guest) {
		showFacts(guest);
		askHistory(guest);
	}
}

function changeChosen() {
	history = null;
	historyOf = "";
	showHistory();
	showChosen();
	showEvents();
	if (chosenName())
		at("guest-name").focus();
}

/* ---- events --------------------------------------------------------------------------------- */

function eventLine(event) {
	const time = element("time", "", moment(event.time));
	const kind = element("span", "kind " + event.severity, event.kind);
	time.dateTime = event.time;
	const line = element("li", "", time, " ", kind, " ");
	if (event.guest && event.guest !== chosenName())
		line.append(element("b", "", event.guest), " ");
	line.append(event.text);
	return line;
}

function showEvents() {
	const name = chosenName();
	const some = events.filter((e) => !name || e.guest === name).slice(-EVENTS_SHOWN).reverse();
	setText(at("events-title"), name ? `Events of ${name}` : "Events");
	at("events").replaceChildren(...(some.length ? some.map(eventLine)
		: [element("li", "empty", "Nothing but checkpoints, as far as is known.")]));
}

// Checkpoints are everyday life, and are shown otherwise.
function addEvents(more) {
	events = events.concat(more.filter((e) => e.kind !== "checkpoint-taken")).slice(-EVENTS_KEPT);
	showEvents();
}

/* ---- the connection ------------------------------------------------------------------------- */

function showConnection() {
	const ms = silence();
	const lost = isLost();
	setClass(at("connection"), lost ? "bad" : ms === null ? "unknown" : "good");
	setText(at("freshness"), lost ? "no answer" : ms === null ? "connecting"
		: ms < 3000 ? "live" : `${duration(ms)} old`);
	at("lost").hidden = !lost;
	document.body.classList.toggle("stale", lost);
	if (!lost)
		return;
	// The text stays as it is, apart from the age: it is read out once, not each second.
	if (!at("lost").children.length)
		at("lost").append(element("strong", "", "vmguardd does not answer."), " ",
			element("span"), element("span", "since"));
	at("lost").children[2].setAttribute("aria-hidden", "true");
	setText(at("lost").children[1], ms === null ? "Nothing is known yet. It is asked again and again."
		: `This page shows how it was at ${clock(Date.now() - ms)}, `);
	setText(at("lost").children[2], ms === null ? "" : `${duration(ms)} ago.`);
}

function tick() {
	silent = isLost() ? silence() || 0 : 0;
	guests.tick(silent);
	showConnection();
	if (history && !at("chart").matches(":hover")) // the bars that are pointed at would go away
		showHistory();
}

on("host", showHost);
on("guests", showGuests);
on("events", addEvents);
on("restart", () => {
	events = [];
});
window.addEventListener("hashchange", changeChosen);
window.addEventListener("resize", showHistory);
at("guest-close").addEventListener("click", () => {
	const name = chosenName();
	history = null;
	location.hash = "";
	const row = [...document.querySelectorAll("#rows a")].find((a) => a.textContent === name);
	if (row)
		row.focus();
});
showChosen();
setInterval(tick, 1000);
connect();
