// The package itself. It is required, as a module that throws while it is imported (here, where there is no binary) ends the
// process of Node.js 20, also if the error is caught.
import { createRequire } from "node:module";

export default createRequire(import.meta.url)("../../index.js");
