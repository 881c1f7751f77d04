// Print the packages that a bundle is made of, and their licences, each text once.
import {readFileSync, readdirSync} from "node:fs";

const inputs = Object.keys(JSON.parse(readFileSync(process.argv[2], "utf8")).inputs);
const folder = /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const packages = new Set(inputs.map((path) => path.match(folder)?.[1]).filter(Boolean));
const texts = new Map(); // a licence's text without its copyright lines: who has it
for (const path of [...packages].sort()) {
  const {name, version, license} = JSON.parse(readFileSync(`${path}/package.json`, "utf8"));
  const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
  const lines = readFileSync(`${path}/${file}`, "utf8").trim().split("\n").map((line) => line.trim());
  const rights = lines.filter((line) => /^copyright \D*\d{4}/i.test(line));
  const rest = lines.filter((line) => !rights.includes(line) && !/^(the )?(mit|isc) license/i.test(line));
  const text = rest.join("\n").replace(/([^\n])\n(?=[^\n])/g, "$1 ").replace(/\n{2,}/g, "\n\n").trim();
  if (!texts.has(text)) texts.set(text, []);
  texts.get(text).push(`${name} ${version} (${license})${rights.length ? ": " : ""}${rights.join("; ")}`);
}
console.log("plot.min.js is made of parts of these packages, by tools/plot/bundle.sh.");
for (const [text, owners] of texts) console.log(`\n${owners.join("\n")}\n\n${text}`);
