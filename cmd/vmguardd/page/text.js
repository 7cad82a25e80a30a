// SPDX-License-Identifier: LGPL-2.1-or-later
// Figures as people read them, and the little that is needed of the DOM. Text from the daemon
// becomes text of the page and never markup.

export function element(name, className, ...children) {
	const e = document.createElement(name);
	if (className)
		e.className = className;
	e.append(...children);
	return e;
}

// Touches only what has changed: the browser then has nothing to lay out.
export function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

export function setClass(node, className) {
	if (node.className !== className)
		node.className = className;
}

// "8 s", "1 m 5 s", "2 h 3 m", "4 d 1 h"
export function duration(ms) {
	const s = Math.floor(ms / 1000);
	if (s < 60)
		return `${s} s`;
	const [big, small, unit, rest] = s < 3600 ? [60, 1, "m", "s"]
		: s < 86400 ? [3600, 60, "h", "m"] : [86400, 3600, "d", "h"];
	const left = Math.floor(s % big / small);
	return `${Math.floor(s / big)} ${unit}` + (left ? ` ${left} ${rest}` : "");
}

// Of an interval or a capture, which may be short: "0.3 s", "2.5 s", "10 s"
export function seconds(ms) {
	return ms < 10000 ? `${+(ms / 1000).toFixed(1)} s` : duration(ms);
}

export function milliseconds(ms) {
	return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : seconds(ms);
}

export function bytes(count) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
	let i = 0;
	for (; count >= 1000 && i < units.length - 1; i++)
		count /= 1024;
	return `${i && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[i]}`;
}

export function clock(time) {
	return new Date(time).toLocaleTimeString([], {hour12: false});
}

// With the day, where it is another one.
export function moment(time) {
	const date = new Date(time);
	const today = date.toDateString() === new Date().toDateString();
	return (today ? "" : date.toLocaleDateString([], {month: "short", day: "numeric"}) + " ") +
		clock(time);
}
