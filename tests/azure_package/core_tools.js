// What gitignore-parser makes of .funcignore: Core Tools' own reader says that it is a C# version of this package.
// stdin: {"rules": "the text of .funcignore", "paths": [...]}; stdout: the paths that are packed, as a JSON array.
const parser = require("gitignore-parser");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const read = parser.compile(asked.rules);
console.log(JSON.stringify(asked.paths.filter((path) => read.accepts(path))));
