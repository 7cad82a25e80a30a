// SPDX-License-Identifier: LGPL-2.1-or-later
// What became of a guest, one above the other on the same time:
//
//	RPO age   how much could have been lost at most, from one checkpoint to the next
//	pause     how long the guest stood still for each
//	size      what each wrote to the store

import {bytes, clock, milliseconds, seconds} from "./text.js";

const BANDS = {age: 92, pause: 60, size: 60};
const GAP = 26; // above each band, for its title
const FOOT = 20;
const HEIGHT = BANDS.age + BANDS.pause + BANDS.size + 3 * GAP + FOOT;
const AGE_MAX = 4; // intervals; what is older is cut off

function svg(name, attributes, text) {
	const e = document.createElementNS("http://www.w3.org/2000/svg", name);
	for (const [key, value] of Object.entries(attributes))
		e.setAttribute(key, value);
	if (text !== undefined)
		e.textContent = text;
	return e;
}

function tooltip(e, text) {
	e.append(svg("title", {}, text));
	return e;
}

// From one durable checkpoint to the next the age grows; what counts is how far: [from, to, age].
function ages(captures, now) {
	const spans = [];
	let taken, durable;
	for (const capture of captures) {
		const next = Date.parse(capture.time) + (capture.duration_ms || 0);
		if (durable !== undefined)
			spans.push([durable, next, next - taken]);
		taken = Date.parse(capture.time);
		durable = next;
	}
	if (now > durable)
		spans.push([durable, now, now - taken]);
	return spans;
}

// A band of the chart: where y of 0 and of its most is.
function band(root, top, height, width, title, most) {
	root.append(svg("text", {x: 0, y: top - 7, class: "title"}, title),
		svg("text", {x: width, y: top - 7, class: "most"}, most),
		svg("line", {x1: 0, y1: top + height, x2: width, y2: top + height, class: "axis"}));
}

function drawAges(root, top, x, width, history, now) {
	const spans = ages(history.captures, now);
	const interval = history.interval_ms;
	const oldest = Math.max(...spans.map((span) => span[2]));
	const most = Math.min(Math.max(oldest, 2.2 * interval), AGE_MAX * interval);
	const y = (ms) => top + BANDS.age * (1 - Math.min(ms / most, 1));

	band(root, top, BANDS.age, width, "RPO age", `oldest ${seconds(oldest)}`);
	for (const [from, to, ms] of spans)
		root.append(tooltip(svg("rect", {class: ms > 2 * interval ? "age over" : "age",
			x: x(from).toFixed(1), width: Math.max(x(to) - x(from) - 0.5, 0.5).toFixed(1),
			y: y(ms).toFixed(1), height: (top + BANDS.age - y(ms)).toFixed(1)}),
		`Until ${clock(to)} its last checkpoint became ${seconds(ms)} old`));
	for (const [intervals, name] of [[1, "interval"], [2, "late"]]) {
		const at = y(intervals * interval);
		root.append(svg("line", {x1: 0, y1: at, x2: width, y2: at, class: name}),
			svg("text", {x: 2, y: at - 3, class: "level"},
				`${name} ${seconds(intervals * interval)}`));
	}
}

function drawBars(root, top, x, width, captures, look) {
	const most = Math.max(...captures.map(look.value), 0);
	const thick = Math.max(1.5, Math.min(7, 0.6 * width / captures.length));

	band(root, top, look.height, width, look.title, `most ${look.text(most)}`);
	for (const capture of captures) {
		const value = look.value(capture);
		const height = most ? Math.max(1, look.height * value / most) : 1;
		root.append(tooltip(svg("rect", {class: look.name, width: thick.toFixed(1),
			x: Math.min(x(Date.parse(capture.time)), width - thick).toFixed(1),
			y: (top + look.height - height).toFixed(1), height: height.toFixed(1)}),
		`Checkpoint ${capture.number}, ${clock(capture.time)}: ${look.text(value)}`));
	}
}

export function median(values) {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted.length ? sorted[sorted.length >> 1] : 0;
}

// Draws into `place`, as wide as it is; `now` is the daemon's time.
export function drawChart(place, history, now) {
	const captures = history.captures;
	const width = Math.max(place.clientWidth, 200);
	const begin = captures.length ? Date.parse(captures[0].time) : now;
	const x = (time) => width * (time - begin) / Math.max(now - begin, 1);
	const root = svg("svg", {viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT,
		role: "img", "aria-label": `RPO age, pauses and sizes of ${captures.length} checkpoints`});
	let top = GAP;

	if (!captures.length) {
		place.replaceChildren();
		return;
	}
	drawAges(root, top, x, width, history, now);
	top += BANDS.age + GAP;
	drawBars(root, top, x, width, captures, {name: "pause", title: "Pause",
		height: BANDS.pause, value: (c) => c.pause_ms || 0, text: milliseconds});
	top += BANDS.pause + GAP;
	drawBars(root, top, x, width, captures, {name: "size", title: "Written to the store",
		height: BANDS.size, value: (c) => c.bytes_written || 0, text: bytes});
	root.append(svg("text", {x: 0, y: HEIGHT - 4, class: "time"}, clock(begin)),
		svg("text", {x: width, y: HEIGHT - 4, class: "most"}, clock(now)));
	place.replaceChildren(root);
}
