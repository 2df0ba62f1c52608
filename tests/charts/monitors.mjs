// Validates objects of the Prometheus operator: `node monitors.mjs NODE_MODULES OBJECTS`, where OBJECTS is a
// JSON file with a list of {from, object}. Prints a line for each fault.
//
// The published validators pass over members that they do not know. A member that they never look at
// is therefore taken for a misspelt one.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const [modules, file] = process.argv.slice(2);
const schemas = `${resolve(modules)}/@kubernetes-models/prometheus-operator/_schemas`;
const prefix = "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1";

function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  const members = new Map(
    Object.entries(value).map(([key, member]) => [key, watched(member, `${path}/${key}`, unread)]),
  );
  for (const key of members.keys()) unread.add(`${path}/${key}`);
  return new Proxy(value, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      return members.has(key) ? members.get(key) : target[key];
    },
  });
}

for (const { from, object } of JSON.parse(readFileSync(file, "utf8"))) {
  const { validate } = await import(`${schemas}/${prefix}${object.kind}.js`);
  const unread = new Set();
  const faults = validate(watched(object, "", unread))
    ? [...unread].map((path) => `${path} is no member that the operator knows`)
    : validate.errors.map((error) => `${error.instancePath} ${error.message}`);
  for (const fault of faults) console.log(`${from}: ${object.kind}: ${fault}`);
}
