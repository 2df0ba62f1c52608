// Checks custom resources against the published models of their definitions.
//
//   node tests/recipes/validate.mjs NODE_MODULES DOCUMENTS.json
//
// DOCUMENTS.json is a list of {"file", "document"}. A model's own `validate` knows what is required and
// which values there are, but lets members pass that it does not know. Its types tell those. Prints what
// is wrong, and exits with 1.

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const GROUPS = {
  "gateway.envoyproxy.io": "envoy-gateway",
  "gateway.networking.k8s.io": "gateway-api",
  "networking.istio.io": "istio",
  "projectcontour.io": "contour",
  "security.istio.io": "istio",
  "traefik.io": "traefik",
};

const [modules, list] = [resolve(process.argv[2]), process.argv[3]];
const ts = (await import(pathToFileURL(join(modules, "typescript/lib/typescript.js")).href)).default;
const model = async (path, kind) => (await import(pathToFileURL(join(modules, `${path}.js`)).href))[kind];
const faults = [];
const resources = [];

// The model of HTTPRoute has the member of the experimental channel, and the list of types of the standard
// one, in which ExternalAuth is missing: such filters are checked by their own model.
async function parts(path, kind, document) {
  const whole = structuredClone(document);
  const found = [[await model(path, kind), whole]];
  for (const rule of (kind === "HTTPRoute" && whole.spec.rules) || []) {
    for (const { type, externalAuth } of rule.filters ?? []) {
      if (type === "ExternalAuth") {
        const name = "HTTPExternalAuthFilter";
        found.push([await model(path.replace(/[^/]*$/, name), name), externalAuth]);
      }
    }
    rule.filters = rule.filters?.filter(({ type }) => type !== "ExternalAuth");
  }
  return found;
}

for (const [index, { file, document }] of JSON.parse(readFileSync(list, "utf8")).entries()) {
  const { apiVersion, kind } = document;
  const [group] = apiVersion.split("/");
  const where = `${file}: ${apiVersion} ${kind}`;
  const path = `@kubernetes-models/${GROUPS[group]}/${apiVersion}/${kind}`;
  if (!(group in GROUPS) || !existsSync(join(modules, `${path}.js`))) {
    faults.push(`${where}: no model is known`);
    continue;
  }
  try {
    for (const [of, part] of await parts(path, kind, document)) {
      new of(part).validate();
    }
  } catch (error) {
    faults.push(`${where}: ${error.message}`);
  }
  resources.push({ where, document, kind, path });
}

// One source that names all types. It stands beside the modules, so that these are found, and nowhere on
// the disk.
const source = join(modules, ".sidegate.ts");
const text = resources
  .map(({ kind, path }, n) => `export declare const it${n}: import("./${path}.js").I${kind};`)
  .join("\n");
const options = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  types: [],
};
const host = ts.createCompilerHost(options);
const { readFile, fileExists, getSourceFile } = host;
host.fileExists = (path) => path === source || fileExists(path);
host.readFile = (path) => (path === source ? text : readFile(path));
host.getSourceFile = (path, version, ...rest) =>
  path === source ? ts.createSourceFile(path, text, version, true) : getSourceFile(path, version, ...rest);
const program = ts.createProgram([source], options, host);
for (const { messageText } of ts.getPreEmitDiagnostics(program)) {
  faults.push(`the models: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
}
const checker = program.getTypeChecker();
const module = checker.getSymbolAtLocation(program.getSourceFile(source));
for (const [n, { where, document }] of resources.entries()) {
  const type = checker.getTypeOfSymbol(module.exports.get(`it${n}`));
  walk(document, [type], "", where);
}

// Every member of `value` has to be known to one of `types`, of which some are choices or parts.
function walk(value, types, at, where) {
  const all = types.flatMap(function flat(type) {
    return type.isUnionOrIntersection() ? type.types.flatMap(flat) : [type];
  });
  // What the definition leaves open, such as the value of a patch, has no members.
  if (all.every((type) => checker.getPropertiesOfType(type).length + checker.getIndexInfosOfType(type).length === 0)) {
    return;
  }
  if (Array.isArray(value)) {
    const of = all.map((type) => checker.getIndexTypeOfType(type, ts.IndexKind.Number)).filter(Boolean);
    value.forEach((item, n) => walk(item, of, `${at}/${n}`, where));
  } else if (value !== null && typeof value === "object") {
    for (const [name, member] of Object.entries(value)) {
      const of = all.map((type) => {
        const property = checker.getPropertyOfType(type, name);
        return property ? checker.getTypeOfSymbol(property) : checker.getIndexTypeOfType(type, ts.IndexKind.String);
      });
      if (of.some(Boolean)) {
        walk(member, of.filter(Boolean), `${at}/${name}`, where);
      } else {
        faults.push(`${where}: ${at}/${name} is not known`);
      }
    }
  }
}

for (const fault of faults) {
  console.error(fault);
}
console.log(`${resources.length} custom resources, ${faults.length} faults`);
process.exit(faults.length === 0 && resources.length > 0 ? 0 : 1);
