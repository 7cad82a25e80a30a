// SPDX-License-Identifier: LGPL-2.1-or-later
// What is known of the daemon, and since when. Guests come as a stream of events; where that does
// not work (a proxy that holds it back, too many pages that are open) they are asked for. The host
// and its events are asked for, which also shows that the daemon still answers.

const ASK_MS = 2000;
const ANSWER_MS = 8000;
const LOST_MS = 10000; // nothing was heard for so long
const STREAM_AGAIN_MS = 30000;
const SILENT_MS = 30000; // nothing on the stream: is that true?

const listeners = {};
let stream = null;
let streamFailures = 0;
let streamClosed = -Infinity;
let heard = null; // when the daemon answered last, by performance.now()
let guestsHeard = -Infinity;
let refused = false; // it did not answer the last question
let started = null;
let version = null;
let lastEvent = 0;
let timer = null; // of the next question; null: one is being answered

// on(KIND, f): "host", "guests", "events" with what came; "restart": what was known is old
export function on(kind, f) {
	listeners[kind] = f;
}

export function silence() {
	return heard === null ? null : performance.now() - heard;
}

export function isLost() {
	return refused || (heard !== null && silence() > LOST_MS);
}

export async function ask(path) {
	const answer = await fetch(path, {
		cache: "no-store",
		headers: {Accept: "application/json"},
		signal: AbortSignal.timeout(ANSWER_MS),
	});
	if (!answer.ok)
		throw new Error(`${path}: ${answer.status}`);
	return answer.json();
}

function tell(kind, what) {
	heard = performance.now();
	if (kind === "guests")
		guestsHeard = heard;
	listeners[kind](what);
}

function closeStream() {
	if (stream)
		stream.close();
	stream = null;
	streamClosed = performance.now();
}

function openStream() {
	closeStream();
	stream = new EventSource("/v1/guests");
	stream.addEventListener("guests", (e) => {
		streamFailures = 0;
		tell("guests", JSON.parse(e.data));
	});
	// The browser tries once more by itself; then questions take over for a while.
	stream.addEventListener("error", () => {
		if (++streamFailures > 1 || stream.readyState === EventSource.CLOSED)
			closeStream();
	});
}

async function askHost() {
	const host = await ask("/v1/host");
	if (version !== null && version !== host.version)
		location.reload(); // these files are another version's
	version = host.version;
	if (started !== host.started) {
		lastEvent = 0;
		listeners.restart();
	}
	started = host.started;
	tell("host", host);
}

async function askEvents() {
	const limit = 1000;
	for (;;) {
		const {events} = await ask(`/v1/events?after=${lastEvent}&limit=${limit}`);
		if (events.length) {
			lastEvent = events[events.length - 1].sequence;
			tell("events", events);
		}
		if (events.length < limit)
			return;
	}
}

async function askAll() {
	const now = performance.now();
	await askHost();
	if (!stream || now - guestsHeard > SILENT_MS)
		tell("guests", await ask("/v1/guests"));
	if (!stream && now - streamClosed > STREAM_AGAIN_MS)
		openStream();
	await askEvents();
}

// A page that nobody sees asks nothing and holds no connection.
async function turn() {
	timer = null;
	try {
		if (!document.hidden)
			await askAll();
		refused = false;
	} catch (e) {
		refused = true;
	}
	timer = setTimeout(turn, ASK_MS);
}

export function connect() {
	openStream();
	turn();
	document.addEventListener("visibilitychange", () => {
		if (document.hidden) {
			closeStream();
			return;
		}
		openStream();
		if (timer !== null) {
			clearTimeout(timer);
			turn();
		}
	});
}
