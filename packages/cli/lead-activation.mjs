#!/usr/bin/env node
// Made from packages/cli/src by `npm run build:verifier`; change it there.
import { once } from "node:events";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { isUtf8 } from "node:buffer";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { createHash, createHmac, createPublicKey, verify } from "node:crypto";
// src/shared/canonical-json.ts
/**
* Canonical JSON: one text for equal data, so that its hash can be compared, as RFC 8785 (JSON Canonicalization
* Scheme) has it: no spaces, keys in the order of their UTF-16 code units, numbers and strings as ECMAScript writes
* them. It differs in one thing: a lone surrogate is escaped and not refused, because a person may have typed it.
*
* @module
*/
/**
* The canonical text of JSON data; properties that are `undefined` are left out, as `JSON.stringify` does.
*
* @throws TypeError for what JSON cannot hold, such as Infinity or a function
*/
function canonicalJson(value) {
	if (Array.isArray(value)) {
		if (value.every(isScalar)) return JSON.stringify(value);
		return `[${value.map((item) => canonicalJson(item)).join(",")}]`;
	}
	if (typeof value === "object" && value !== null) return `{${Object.entries(value).filter(([, member]) => member !== void 0).sort(([one], [other]) => one < other ? -1 : 1).map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
	if (isScalar(value)) return JSON.stringify(value);
	throw new TypeError(`JSON cannot hold ${typeof value === "number" ? String(value) : typeof value}.`);
}
function isScalar(value) {
	return value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
}
/** The result of a recipient's mail. `m`: the recipient is in another batch now, and has the result there. */
var resultLetters = {
	sent: "s",
	failed: "f",
	unknown: "u",
	moved: "m"
};
/** What stands before the first line in the chain. */
var chainStart = `lead-activation receipt 1`;
/** Characters of a hash that name a receipt: enough to tell receipts apart, and few for every line. */
var nameLength = 11;
/** The leaf of an open part; of a closed one, the leaf that it is. */
function leafOf(sealed, sha256) {
	return sealed === null || typeof sealed === "string" ? sealed : sha256(canonicalJson(sealed));
}
/** The hash of a line: over the hash of the line before, and the line with leaves in the place of what they seal. */
function lineHash(previousHash, { hash: _hash, ...content }, sha256) {
	const leaves = content.kind === "receipt" ? {
		...content,
		about: leafOf(content.about, sha256)
	} : content.kind === "batch" ? {
		...content,
		members: content.members.map((member) => leafOf(member, sha256))
	} : content;
	return sha256(`${previousHash ?? chainStart}\n${canonicalJson(leaves)}`);
}
/** The name of a receipt in its lines. */
function receiptName(headHash) {
	return headHash.slice(0, nameLength);
}
/** What the signature is over. Names its purpose, so that no other signature of the key fits here. */
function signedText(endHash) {
	return `${chainStart} ends in ${endHash}`;
}
/** The text whose SHA-256 is the id of a public key: its JWK thumbprint (RFC 7638). */
function thumbprintText(publicKey) {
	return JSON.stringify({
		crv: "Ed25519",
		kty: "OKP",
		x: publicKey
	});
}
// packages/cli/src/lines.ts
/**
* Reads a file line by line, with one buffer for all of them.
*
* Reads synchronously: a stream would make a new buffer for each piece, and the process would hold many of them until the
* next garbage collection. Nothing else is to be done meanwhile.
*
* @module
*/
/** The longest line that is read; a file without line ends must not fill the memory. */
var maxLineBytes = 67108864;
var firstBufferBytes = 262144;
/**
* The lines of a file, as they end with a line feed.
*
* @throws Error when the file cannot be read, or has a line of more than 64 MiB
*/
function* readLines(file) {
	const descriptor = openSync(file, "r");
	try {
		let buffer = Buffer.allocUnsafe(firstBufferBytes);
		/** Bytes in the buffer that belong to no whole line yet. */
		let length = 0;
		for (;;) {
			if (length === buffer.length) {
				if (length >= maxLineBytes) throw new Error(`${file} has a line of more than 64 MiB.`);
				buffer = Buffer.concat([buffer, Buffer.allocUnsafe(buffer.length)]);
			}
			const readCount = readSync(descriptor, buffer, length, buffer.length - length, null);
			if (readCount === 0) break;
			const end = length + readCount;
			let from = 0;
			let to = buffer.subarray(0, end).indexOf(10, length);
			while (to !== -1) {
				yield {
					text: textOf(buffer.subarray(from, to)),
					isComplete: true
				};
				from = to + 1;
				to = buffer.subarray(0, end).indexOf(10, from);
			}
			buffer.copyWithin(0, from, end);
			length = end - from;
		}
		if (length > 0) yield {
			text: textOf(buffer.subarray(0, length)),
			isComplete: false
		};
	} finally {
		closeSync(descriptor);
	}
}
function textOf(bytes) {
	return isUtf8(bytes) ? bytes.toString("utf8") : null;
}
// packages/cli/src/chain.ts
/**
* Checks that the lines of a receipt are those that were signed, and names what was done to them if they are not.
*
* Gets the lines one by one and keeps only what it needs of the last one. After the first wrong line it reads on to see
* which kind of change it was: a changed, missing, swapped or foreign line, or a file that was cut off.
* Owns no meaning of a line; that is claims.ts. Pure: hash and signature check are arguments.
*
* @module
*/
var ChainCheck = class {
	#crypto;
	#line = 0;
	#hash = null;
	#name = null;
	#signature = null;
	#version = null;
	#wrong = null;
	/** Of the line behind the wrong one. */
	#next = null;
	/** The number that was expected at the wrong line comes later. */
	#isLater = false;
	constructor(crypto) {
		this.#crypto = crypto;
	}
	get signature() {
		return this.#signature;
	}
	get lineCount() {
		return this.#line;
	}
	/**
	* Takes the next line.
	*
	* @param text - without its line end
	* @param isComplete - it has a line end; only the last line of a file may lack it
	* @returns the line while the chain holds, else null
	*/
	add(text, isComplete) {
		this.#line++;
		if (this.#wrong !== null) {
			this.#readOn(this.#wrong, text);
			return null;
		}
		const line = parseLine(text);
		if (line !== null && isComplete && this.#isNext(line)) {
			if (line.kind === "receipt") {
				this.#version = line.version;
				this.#name = receiptName(line.hash);
			}
			if (line.kind === "signature") this.#signature = line;
			else this.#hash = line.hash;
			return line;
		}
		this.#wrong = {
			line: this.#line,
			n: line?.n ?? null,
			isForeign: line !== null && this.#isForeign(line),
			hash: line === null || line.kind === "signature" ? null : line.hash,
			text,
			isComplete,
			isSigned: line?.kind === "signature" && this.#isSigned(this.#hash, line)
		};
		return null;
	}
	/** What is wrong with the file, or null. Call it after the last line. */
	fault() {
		const wrong = this.#wrong;
		if (wrong !== null) return this.#classify(wrong);
		if (this.#signature === null) return {
			kind: "truncated",
			line: this.#line,
			message: this.#line === 0 ? "The file is empty." : `The file was cut off: it ends after line ${this.#line}, without a signature.`
		};
		return null;
	}
	#isNext(line) {
		if (this.#signature !== null || line.n !== this.#line) return false;
		if (line.kind === "receipt" !== (this.#line === 1)) return false;
		if (line.kind !== "receipt" && line.of !== this.#name) return false;
		return this.#follows(this.#hash, line);
	}
	#isLinked(hash, line) {
		try {
			return lineHash(hash, line, this.#crypto.sha256) === line.hash;
		} catch {
			return false;
		}
	}
	/** True for the signature of a receipt whose last line has this hash. */
	#isSigned(hash, line) {
		const { keyId, publicKey, signature } = line;
		return line.algorithm === "Ed25519" && hash !== null && keyId === this.#crypto.sha256(thumbprintText(publicKey)) && this.#crypto.isSigned(publicKey, signedText(hash), signature);
	}
	/** True for a line that follows a line with this hash. */
	#follows(hash, line) {
		return line.kind === "signature" ? this.#isSigned(hash, line) : this.#isLinked(hash, line);
	}
	#isForeign(line) {
		return line.kind === "receipt" ? this.#line > 1 : this.#name !== null && line.of !== this.#name;
	}
	#readOn(wrong, text) {
		const n = /"n":(\d{1,15})[,}]/.exec(text)?.[1];
		if (n !== void 0 && Number(n) === wrong.line) this.#isLater = true;
		if (this.#next !== null) return;
		const line = parseLine(text);
		this.#next = {
			n: line?.n ?? null,
			isForeign: line !== null && this.#isForeign(line),
			isLinked: line !== null && wrong.hash !== null && this.#follows(wrong.hash, line)
		};
	}
	#classify(wrong) {
		const { line, n } = wrong;
		const fault = (kind, message) => ({
			kind,
			line,
			message
		});
		const changed = (message = `Line ${line} was changed.`) => fault("changed", message);
		const isLast = this.#line === line;
		if (this.#signature !== null) return fault("spliced", `Line ${line} stands behind the signature, where a receipt ends.`);
		if (line > 1 && this.#version !== null && this.#version !== 1) return fault("unsupported", `The receipt has the form ${this.#version}, which this verifier does not know.`);
		if (isLast && !wrong.isComplete && parseLine(wrong.text.slice(0, -1)) === null) return fault("truncated", `The file was cut off in line ${line}.`);
		if (n === null) return changed(wrong.text.endsWith("\r") ? `Line ${line} was changed: some program has changed the line ends of the file.` : `Line ${line} was changed: it is not a line of a receipt any more.`);
		if (wrong.isSigned) return changed();
		const next = this.#next;
		const isBeforeItsNext = next !== null && !next.isForeign && next.n === line + 1;
		if (wrong.isForeign) return isBeforeItsNext && next.isLinked ? changed() : fault("spliced", `Line ${line} does not belong to this receipt.`);
		if (n === line) return changed();
		if (n > line) {
			if (this.#isLater) return fault("swapped", `Lines were put into another order: line ${line} of the receipt stands later.`);
			if (isBeforeItsNext) return changed();
			return fault("dropped", n === line + 1 ? `Line ${line} is missing.` : `Lines ${line} to ${n - 1} are missing.`);
		}
		if (isBeforeItsNext) return changed();
		return fault("spliced", `Line ${n} of the receipt stands a second time, as line ${line}.`);
	}
};
/** A line in exactly the form in which it is written; null for anything else. */
function parseLine(text) {
	try {
		const line = JSON.parse(text);
		if (typeof line !== "object" || line === null) return null;
		if (typeof line.n !== "number" || typeof line.kind !== "string") return null;
		return canonicalJson(line) === text ? line : null;
	} catch {
		return null;
	}
}
// src/shared/approval.ts
/** True where a person would decide on what they have started themselves. Capitals do not matter. */
function isOwnRequest(owner, by) {
	return owner.trim().toLowerCase() === by.trim().toLowerCase();
}
// packages/cli/src/id-set.ts
/**
* A set of lead ids in few bytes: a million ids that lie close together are 125 kB.
*
* @module
*/
/** Ids of one page. A page of an audience that is spread over many ids is half empty, and small. */
var pageIdCount = 4096;
var IdSet = class {
	#pages = /* @__PURE__ */ new Map();
	#size = 0;
	get size() {
		return this.#size;
	}
	/** @returns false when the set had it */
	add(id) {
		const number = Math.floor(id / pageIdCount);
		let page = this.#pages.get(number);
		if (page === void 0) this.#pages.set(number, page = new Uint8Array(pageIdCount / 8));
		const at = id - number * pageIdCount;
		const bits = page[at >> 3] ?? 0;
		const bit = 1 << (at & 7);
		if ((bits & bit) !== 0) return false;
		page[at >> 3] = bits | bit;
		this.#size++;
		return true;
	}
	has(id) {
		const number = Math.floor(id / pageIdCount);
		const at = id - number * pageIdCount;
		return ((this.#pages.get(number)?.[at >> 3] ?? 0) & 1 << (at & 7)) !== 0;
	}
	*[Symbol.iterator]() {
		for (const [number, page] of this.#pages) for (let at = 0; at < pageIdCount; at++) if (((page[at >> 3] ?? 0) & 1 << (at & 7)) !== 0) yield number * pageIdCount + at;
	}
};
// packages/cli/src/claims.ts
/**
* What a receipt proves: from its lines, counted again, to claims that hold or do not.
*
* Gets the lines one by one and keeps ids as bits, so that a million leads need little memory. Does not check the chain
* (chain.ts) and does not print.
*
* @module
*/
/** Examples in a message. */
var shownCount$1 = 5;
var resultWords = {
	[resultLetters.sent]: "sent: the mail provider took the mail",
	[resultLetters.failed]: "failed: the mail was certainly not taken",
	[resultLetters.unknown]: "unknown: the mail may have been taken",
	[resultLetters.moved]: "moved: its result is in another batch"
};
var Claims = class {
	head = null;
	events = [];
	found = [];
	#search;
	#sha256Hex;
	/** Called for every lead, with the hash of its address where it has one. */
	#onLead;
	#decided = new IdSet();
	#moved = new IdSet();
	#counts = {
		sent: 0,
		failed: 0,
		unknown: 0,
		refused: 0,
		skipped: 0
	};
	#decidedTwice = [];
	#undecidedCount = 0;
	#riskedCount = 0;
	#lastSeq = 0;
	#batchCount = 0;
	#endBatchCount = null;
	#faultyBatch = null;
	#closedCount = 0;
	#assumedCount = 0;
	constructor(sha256Hex, search, onLead = null) {
		this.#sha256Hex = sha256Hex;
		this.#search = search;
		this.#onLead = onLead;
	}
	/** Leads of which nothing is left but their id and result. */
	get closedCount() {
		return this.#closedCount;
	}
	/** Mails that a person took for sent. Of those whose member is closed it cannot say who took them, so they count. */
	get assumedCount() {
		return this.#assumedCount;
	}
	get unknownCount() {
		return this.#counts.unknown;
	}
	add(line) {
		switch (line.kind) {
			case "receipt":
				this.head = line;
				return;
			case "event":
				this.events.push(line.event);
				return;
			case "batch":
				this.#addBatch(line);
				return;
			case "end":
				this.#endBatchCount = line.batches;
				return;
			case "signature": return;
		}
	}
	#addBatch(batch) {
		const { seq, leads, results, members, key, others } = batch;
		this.#batchCount++;
		if (seq <= this.#lastSeq) this.#faultyBatch ??= `batch ${seq} comes after batch ${this.#lastSeq}`;
		this.#lastSeq = seq;
		if (key !== `${this.head?.sessionId ?? ""}/${seq}`) this.#faultyBatch ??= `the key of batch ${seq} is another one's`;
		if (leads.length !== results.length || leads.length !== members.length) this.#faultyBatch ??= `batch ${seq} has not one result for each recipient`;
		for (let index = 0; index < leads.length; index++) {
			const leadId = leads[index] ?? 0;
			const letter = results[index] ?? "";
			const member = members[index] ?? null;
			const isOpen = typeof member === "object" && member !== null;
			const isAssumed = letter === resultLetters.sent && batch.code === "assumed_sent" && (!isOpen || member[2] === null);
			if (isAssumed) this.#assumedCount++;
			if (letter === resultLetters.moved) this.#moved.add(leadId);
			else if (letter === resultLetters.sent) this.#counts.sent++;
			else if (letter === resultLetters.failed) this.#counts.failed++;
			else if (letter === resultLetters.unknown) this.#counts.unknown++;
			else this.#undecidedCount++;
			if (letter !== resultLetters.moved) {
				this.#decide(leadId);
				if (!isOpen) this.#closedCount++;
				if (batch.retried === "risked" && letter !== resultLetters.failed) this.#riskedCount++;
			}
			this.#onLead?.(leadId, isOpen ? member[1] : null);
			if (leadId === this.#search.leadId || isOpen && member[1] === this.#search.addressHash) {
				const words = isAssumed ? "a person took it for sent" : resultWords[letter] ?? letter;
				this.#note(batch, leadId, words, isOpen ? member[2] : null);
			}
		}
		for (const [leadId, result, reason] of others) {
			this.#counts[result]++;
			this.#decide(leadId);
			this.#onLead?.(leadId, null);
			if (leadId === this.#search.leadId) this.#note(batch, leadId, `${result}, no mail: ${reason.replaceAll("_", " ")}`, null);
		}
	}
	#note({ seq, key, attemptAt }, leadId, result, messageId) {
		this.found.push({
			seq,
			leadId,
			result,
			key,
			attemptAt,
			messageId
		});
	}
	#decide(leadId) {
		if (!this.#decided.add(leadId) && this.#decidedTwice.length < shownCount$1) this.#decidedTwice.push(leadId);
	}
	hasLead(leadId) {
		return this.#decided.has(leadId) || this.#moved.has(leadId);
	}
	get leadCount() {
		return this.#decided.size;
	}
	/** The claims. Call it after the last line. */
	all() {
		const { head } = this;
		if (head === null) return [];
		const claims = head.anonymizedAt === null ? [
			this.#once(),
			this.#nobodyLost(head),
			this.#sums(head)
		] : [];
		const { manifest } = head.start;
		if (manifest !== void 0) {
			const holds = this.#sha256Hex(canonicalJson(manifest.manifest)) === manifest.hash;
			claims.push({
				name: "Manifest",
				holds,
				message: holds ? `it was started with the manifest ${manifest.hash}` : "the manifest does not have its hash"
			});
		}
		const approval = approvalClaim(head);
		return approval === null ? claims : [...claims, approval];
	}
	#once() {
		const claim = (holds, message) => ({
			name: "Once",
			holds,
			message
		});
		if (this.#faultyBatch !== null) return claim(false, this.#faultyBatch);
		if (this.#decidedTwice.length > 0) return claim(false, `leads have two results: ${this.#decidedTwice.join(", ")}`);
		if (this.#riskedCount > 0) return claim(false, `${leads(this.#riskedCount)} may have been mailed twice: a person had unconfirmed mail sent again`);
		return claim(true, `each of ${leads(this.#decided.size)} has one result, and each batch one idempotency key`);
	}
	#nobodyLost({ counts }) {
		const claim = (holds, message) => ({
			name: "Nobody lost",
			holds,
			message
		});
		if (this.#undecidedCount > 0) return claim(false, `${leads(this.#undecidedCount)} have no result`);
		if (this.#endBatchCount !== this.#batchCount) return claim(false, "batches are missing");
		for (const leadId of this.#moved) if (!this.#decided.has(leadId)) return claim(false, `lead ${leadId} was moved to a batch that is not here`);
		const known = this.#decided.size + counts.unlisted;
		if (known !== counts.total) return claim(false, `${leads(counts.total)} were selected, and ${number(known)} have a result`);
		const unlisted = counts.unlisted === 0 ? "" : `, ${number(counts.unlisted)} of them only as a number: they were never listed`;
		return claim(true, `all ${leads(counts.total)} that were selected have a result${unlisted}`);
	}
	#sums({ counts }) {
		const recount = {
			...this.#counts,
			skipped: this.#counts.skipped + counts.unlisted,
			unlisted: counts.unlisted,
			total: counts.total
		};
		const wrong = Object.keys(recount).find((name) => recount[name] !== counts[name]);
		const holds = wrong === void 0;
		return {
			name: "Sums",
			holds,
			message: holds ? `${number(counts.sent)} sent, ${number(counts.failed)} failed, ${number(counts.unknown)} unknown, ${number(counts.refused)} refused by the CRM, ${number(counts.skipped)} skipped` : `${wrong} is ${number(counts[wrong])}, and the batches have ${number(recount[wrong])}`
		};
	}
};
/** What a receipt says about the approval by another person; null where nobody had to approve it. */
function approvalClaim({ start, counts }) {
	const { approval, manifest, owner } = start;
	if (approval === void 0) return null;
	const { approved, manifestHash } = approval;
	const claim = (holds, message) => ({
		name: "Approval",
		holds,
		message
	});
	const mailedCount = counts.sent + counts.failed + counts.unknown;
	if (approved === null) return mailedCount === 0 ? claim(true, "nobody approved it, and nobody was mailed") : claim(false, `${leads(mailedCount)} may have been mailed, and nobody approved it`);
	if (owner !== void 0 && isOwnRequest(owner, approved.by)) return claim(false, "it was approved by the one who started it");
	return manifestHash === manifest?.hash ? claim(true, "another person approved exactly this manifest") : claim(false, "another manifest was approved");
}
/** With commas. Not by `toLocaleString`, whose tables take megabytes of memory. */
function number(count) {
	return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}
function leads(count) {
	return `${number(count)} ${count === 1 ? "lead" : "leads"}`;
}
// packages/cli/src/leads-file.ts
/**
* A CSV of leads that a receipt is compared with: by ids, or by hashes of addresses.
*
* Reads RFC 4180 with commas or semicolons, as this product and spreadsheets write it. Keeps ids as bits and of hashes
* the first 64 bits, so that a million leads are 8 MB.
*
* @module
*/
/** Headers in lower case, without spaces. */
var idHeaders = ["leadid", "id"];
var addressHeaders = [
	"email",
	"e-mail",
	"emailaddress",
	"address"
];
/** Ids in a message. */
var shownCount = 10;
/**
* @param hashAddress - hashes an address with the key of the receipt; null without a key
* @throws Error with what to do, when the file cannot be compared
*/
function readLeadsFile(file, hashAddress) {
	let column = -1;
	let by = null;
	const ids = new IdSet();
	const hashes = [];
	for (const row of readRows(file)) {
		if (by === null) {
			const headers = row.map((cell) => cell.trim().toLowerCase().replaceAll(" ", ""));
			const idAt = headers.findIndex((header) => idHeaders.includes(header));
			const addressAt = headers.findIndex((header) => addressHeaders.includes(header));
			by = idAt === -1 ? "address" : "id";
			column = idAt === -1 ? addressAt : idAt;
			if (column === -1) throw new Error(`${file} has no column leadId, id or email.`);
			if (by === "address" && hashAddress === null) throw new Error(`${file} has addresses and no column leadId or id. A receipt has hashes of addresses: give the key too (--key).`);
			continue;
		}
		const cell = (row[column] ?? "").trim();
		if (cell === "") continue;
		if (by === "id") {
			if (!/^\d{1,15}$/.test(cell)) throw new Error(`${file} has "${cell}" where a lead id should be.`);
			ids.add(Number(cell));
		} else hashes.push(prefixOf(hashAddress?.(cell.replace(/^'(?=[=+\-@])/, "")) ?? ""));
	}
	if (by === null) throw new Error(`${file} is empty.`);
	return by === "id" ? comparedById(ids) : comparedByAddress(BigUint64Array.from(hashes).sort());
}
function comparedById(ids) {
	const met = new IdSet();
	return {
		by: "id",
		count: ids.size,
		meet: (leadId) => void (ids.has(leadId) && met.add(leadId)),
		missing() {
			const missing = [];
			for (const id of ids) if (!met.has(id) && missing.push(id) === shownCount) break;
			return {
				count: ids.size - met.size,
				ids: missing
			};
		}
	};
}
function comparedByAddress(hashes) {
	const distinct = hashes.filter((hash, at) => at === 0 || hash !== hashes[at - 1]);
	const met = new IdSet();
	return {
		by: "address",
		count: distinct.length,
		meet(_, addressHash) {
			const at = addressHash === null ? -1 : indexOf(distinct, prefixOf(addressHash));
			if (at !== -1) met.add(at);
		},
		missing: () => ({
			count: distinct.length - met.size,
			ids: []
		})
	};
}
/** The first 64 bits: two of a million addresses share them once in forty million files. */
function prefixOf(hash) {
	return Buffer.from(hash, "base64url").readBigUInt64BE(0);
}
function indexOf(sorted, wanted) {
	let from = 0;
	let to = sorted.length;
	while (from < to) {
		const middle = from + to >> 1;
		if ((sorted[middle] ?? 0n) < wanted) from = middle + 1;
		else to = middle;
	}
	return sorted[from] === wanted ? from : -1;
}
/** The rows of a CSV. A quoted cell may have line ends. */
function* readRows(file) {
	let open = "";
	let delimiter = null;
	for (const { text } of readLines(file)) {
		if (text === null) throw new Error(`${file} is not UTF-8.`);
		const line = open + (open === "" ? text.replace(/^\uFEFF/, "") : text);
		if ((line.split("\"").length - 1 & 1) === 1) {
			open = `${line}\n`;
			continue;
		}
		open = "";
		const row = line.replace(/\r$/, "");
		delimiter ??= !row.includes(",") && row.includes(";") ? ";" : ",";
		if (row !== "") yield cellsOf(row, delimiter);
	}
}
function cellsOf(row, delimiter) {
	if (!row.includes("\"")) return row.split(delimiter);
	const cells = [];
	let cell = "";
	let isQuoted = false;
	for (let at = 0; at < row.length; at++) {
		const character = row.charAt(at);
		if (character === "\"") {
			if (isQuoted && row[at + 1] === "\"") {
				cell += "\"";
				at++;
			} else isQuoted = !isQuoted;
		} else if (character === delimiter && !isQuoted) {
			cells.push(cell);
			cell = "";
		} else cell += character;
	}
	return [...cells, cell];
}
// packages/cli/src/verify.ts
/**
* Verifies a receipt, and says what it proves and what it does not.
*
* @module
*/
var sha256 = (text) => createHash("sha256").update(text).digest("base64url");
var nodeCrypto = {
	sha256,
	isSigned(publicKey, text, signature) {
		try {
			const key = createPublicKey({
				key: {
					kty: "OKP",
					crv: "Ed25519",
					x: publicKey
				},
				format: "jwk"
			});
			const bytes = Buffer.from(signature, "base64url");
			return bytes.toString("base64url") === signature && verify(null, Buffer.from(text), key, bytes);
		} catch {
			return false;
		}
	}
};
/** The hash under which a receipt has an address. */
function hashAddress(key, address) {
	return createHmac("sha256", key).update(address.trim().toLowerCase()).digest("base64url");
}
/**
* @throws Error in a sentence, when a file cannot be read
*/
function verify$1(options) {
	const { addressKey, person, leadId } = options;
	const keys = options.keysFile === null ? null : readKeys(options.keysFile);
	const hashing = addressKey === null ? null : (address) => hashAddress(addressKey, address);
	const list = options.leadsFile === null ? null : readLeadsFile(options.leadsFile, hashing);
	const chain = new ChainCheck(nodeCrypto);
	const claims = new Claims((text) => createHash("sha256").update(text).digest("hex"), {
		leadId,
		addressHash: person === null || hashing === null ? null : hashing(person)
	}, list === null ? null : (id, hash) => list.meet(id, hash));
	for (const { text, isComplete } of readLines(options.file)) {
		const line = chain.add(text ?? "", isComplete);
		if (line !== null) claims.add(line);
	}
	const fault = chain.fault();
	if (fault !== null) return {
		isProved: false,
		fault,
		lines: faultLines(fault)
	};
	return report(claims, chain, keys, list, options);
}
function faultLines({ kind, message }) {
	return [
		`Not proved: ${kind}`,
		`  ${message}`,
		"",
		"This file is not what was signed. Get the receipt again from where it was made."
	];
}
function readKeys(file) {
	const { keys } = JSON.parse(readFileSync(file, "utf8"));
	if (!Array.isArray(keys)) throw new Error(`${file} is no key set: it has no "keys".`);
	return new Set(keys.flatMap(({ x }) => typeof x === "string" ? [x] : []));
}
function report(claims, chain, keys, list, { person, leadId }) {
	const { head } = claims;
	const { signature } = chain;
	if (head === null || signature === null) throw new Error("A receipt without a fault has a head and a signature.");
	const all = [
		{
			name: "Unchanged",
			holds: true,
			message: `${number(chain.lineCount)} lines, as they were signed`
		},
		signedClaim(signature, keys),
		...claims.all(),
		...list === null ? [] : [listClaim(list, claims)]
	];
	const isProved = all.every(({ holds }) => holds) && head.anonymizedAt === null;
	const show = (holds) => all.filter((claim) => claim.holds === holds).map(({ name, message }) => `  ${name.padEnd(12)} ${message}`);
	const open = [...show(false), ...limitsOf(head, claims, keys).map((line) => `  ${line}`)];
	return {
		isProved,
		fault: null,
		lines: [
			...headLines(head),
			"",
			"Proved",
			...show(true),
			"",
			"Not proved",
			...open,
			...commandLines(claims),
			...person === null && leadId === null ? [] : personLines(claims),
			"",
			isProved ? verdict(signature, keys) : "Not everything is proved."
		]
	};
}
function verdict({ keyId }, keys) {
	return keys === null ? `Proved, if the key ${keyId} is theirs.` : "Proved.";
}
function signedClaim({ keyId, publicKey }, keys) {
	const claim = (holds, message) => ({
		name: "Signed",
		holds,
		message
	});
	if (keys === null) return claim(true, `with the key ${keyId}`);
	return keys.has(publicKey) ? claim(true, `with the key ${keyId}, which is in the key set`) : claim(false, `with the key ${keyId}, which is not in the key set`);
}
function listClaim(list, claims) {
	const { count, ids } = list.missing();
	const more = claims.leadCount - (list.count - count);
	const rest = list.by === "id" && more > 0 ? `; the receipt has ${leads(more)} more` : "";
	if (count === 0) return {
		name: "Your list",
		holds: true,
		message: `all ${leads(list.count)} of the file are in the receipt${rest}`
	};
	const which = ids.length === 0 ? "" : `: ${ids.join(", ")}${ids.length < count ? ", …" : ""}`;
	const why = list.by === "id" ? "" : "; a lead that was skipped or erased has no address in a receipt";
	return {
		name: "Your list",
		holds: false,
		message: `${leads(count)} of ${number(list.count)} are not in the receipt${which}${why}${rest}`
	};
}
/** What no receipt of this kind can prove. */
function limitsOf(head, claims, keys) {
	return [
		...head.anonymizedAt === null ? [] : [`Once, nobody lost: the results of single leads were deleted on ${day(head.anonymizedAt)}, after their retention.`],
		...keys === null ? ["Whose key it is: compare it with /.well-known/lead-activation-receipt-keys.json of the app, or give that file with --keys."] : [],
		"That a mail was delivered or read: a receipt ends where the mail provider took it.",
		"That the one who holds the key wrote the truth: a signature shows who says it, and that nobody has changed it since.",
		...claims.unknownCount === 0 ? [] : [`Whether ${number(claims.unknownCount)} unconfirmed mails were taken: the provider did not say.`],
		...claims.assumedCount === 0 ? [] : [`Whether ${number(claims.assumedCount)} mails were taken that a person took for sent: the provider did not say.`],
		...head.eventsLeftOut === 0 ? [] : [`The first ${number(head.eventsLeftOut)} events: they are not kept.`]
	];
}
function headLines({ sessionId, revision, at, state, counts, start, about }) {
	const name = typeof about === "object" && about !== null ? ` "${plain(about[1])}"` : "";
	const { owner, createdAt, approval } = start;
	const verdicts = [["approved", approval?.approved], ["rejected", approval?.rejected]];
	return [
		`Receipt of ${sessionId}${name}`,
		`  revision ${revision} of ${time(at)}`,
		`  ${state}, ${leads(counts.total)}, started by ${plain(owner ?? "?")} on ${time(createdAt ?? 0)}`,
		...verdicts.flatMap(([word, verdict]) => verdict == null ? [] : [`  ${word} by ${plain(verdict.by)} on ${time(verdict.at)}`])
	];
}
/** Commands of people, as far as they are shown. */
var shownCommandCount = 20;
function commandLines({ events }) {
	const commands = events.filter(({ by, kind }) => by !== null && kind !== "started");
	if (commands.length === 0) return [];
	return [
		"",
		"Commands",
		...commands.slice(0, shownCommandCount).map(({ kind, at, by, count }) => `  ${time(at)}  ${kind.replaceAll("_", " ")} by ${plain(by ?? "")}${count === null ? "" : ` (${number(count)})`}`),
		...commands.length > shownCommandCount ? [`  and ${commands.length - shownCommandCount} more`] : []
	];
}
function personLines({ found }) {
	return [
		"",
		"This person",
		...found.length === 0 ? ["  is not in this receipt by address or id. A lead that was skipped or erased has no address in it."] : found.flatMap(({ leadId, seq, result, key, attemptAt, messageId }) => [
			`  lead ${leadId}, batch ${seq}: ${result}`,
			...attemptAt === null ? [] : [`    call of ${time(attemptAt)} under the key ${key}`],
			...messageId === null ? [] : [`    the provider's id: ${plain(messageId)}`]
		])
	];
}
var time = (ms) => `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
var day = (ms) => new Date(ms).toISOString().slice(0, 10);
/** Without control characters, which could move the cursor of a terminal. */
var plain = (text) => text.replace(/\p{C}/gu, " ");
// packages/cli/src/redact.ts
/**
* Takes a person out of a receipt that was handed out: their leaf stays, so that everything else still verifies.
*
* @module
*/
/**
* Writes the receipt without the person.
*
* @returns how many places the person was taken out of
*/
async function redact({ file, addressKey, person, leadId }, write) {
	const hash = person === null || addressKey === null ? null : hashAddress(addressKey, person);
	let count = 0;
	for (const { text, isComplete } of readLines(file)) {
		if (text === null) throw new Error(`${file} is not UTF-8, so it is no receipt.`);
		const line = JSON.parse(text);
		if (line.kind === "batch") {
			const members = line.members.map((member, index) => {
				if (typeof member !== "object" || member === null) return member;
				if (line.leads[index] !== leadId && member[1] !== hash) return member;
				count++;
				return leafOf(member, nodeCrypto.sha256);
			});
			await write(`${canonicalJson({
				...line,
				members
			})}\n`);
		} else await write(isComplete ? `${text}\n` : text);
	}
	return count;
}
// packages/cli/src/verifier.ts
/**
* `lead-activation verify`: verifies a receipt offline. `lead-activation redact` takes a person out of one.
*
* Owns the command line, the output and the exit codes: 0 proved, 1 not proved, 2 wrong usage or a file that cannot be
* read.
*
* @module
*/
setFlagsFromString("--semi-space-growth-factor=1");
if (Number.parseInt(process.versions.node, 10) >= 22) setFlagsFromString("--no-opt");
var usage = `lead-activation verify RECEIPT [options]     checks a receipt, offline
  --keys FILE        the public keys that you trust: /.well-known/lead-activation-receipt-keys.json of the app
  --leads FILE.csv   leads that the receipt should have, by a column leadId, id or email (with --key)
  --key KEY          the key of the addresses in this receipt (the app's page of the activation shows it)
  --person ADDRESS   shows what the receipt says about this address; needs --key
  --lead ID          shows what the receipt says about this lead

lead-activation redact RECEIPT --lead ID     writes the receipt without this person to the standard output; it still
                                             verifies. Or: --person ADDRESS --key KEY

Exit code: 0 proved, 1 not proved, 2 wrong usage or unreadable file.`;
var UsageError = class extends Error {};
function readCommand(args) {
	const { values, positionals } = parseArgs({
		args,
		allowPositionals: true,
		options: {
			keys: { type: "string" },
			leads: { type: "string" },
			key: { type: "string" },
			person: { type: "string" },
			lead: { type: "string" },
			help: {
				type: "boolean",
				short: "h"
			}
		}
	});
	const [command, file, ...more] = positionals;
	if (values.help === true) return { command: "help" };
	if (command !== "verify" && command !== "redact") throw new UsageError("Say verify or redact.");
	if (file === void 0 || more.length > 0) throw new UsageError("Name one receipt.");
	const { keys = null, leads = null, key = null, person = null, lead = null } = values;
	if (person !== null && key === null) throw new UsageError("--person needs --key: a receipt has no addresses.");
	if (lead !== null && !/^\d{1,15}$/.test(lead)) throw new UsageError("--lead is the id of a lead, a number.");
	if (command === "redact" && person === null && lead === null) throw new UsageError("Say who is to be taken out: --lead, or --person with --key.");
	return {
		command,
		options: {
			file,
			keysFile: keys,
			leadsFile: leads,
			addressKey: key,
			person,
			leadId: lead === null ? null : Number(lead)
		}
	};
}
async function write(text) {
	if (!process.stdout.write(text)) await once(process.stdout, "drain");
}
/** @returns the exit code */
async function main(args) {
	const given = readCommand(args);
	if (given.command === "help") {
		await write(`${usage}\n`);
		return 0;
	}
	if (given.command === "redact") {
		const count = await redact(given.options, write);
		if (count === 0) console.error("This person is not in the receipt by address or id; nothing was taken out.");
		return count === 0 ? 1 : 0;
	}
	const { isProved, lines } = verify$1(given.options);
	await write(`${lines.join("\n")}\n`);
	return isProved ? 0 : 1;
}
try {
	process.exitCode = await main(process.argv.slice(2));
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	const code = error.code;
	if (error instanceof UsageError || String(code).startsWith("ERR_PARSE_ARGS")) console.error(`\n${usage}`);
	process.exitCode = 2;
}
export {};
