// Known weaknesses of the npm packages that the development of this one uses; users get none of them. A
// mirror of the registry that knows no advisories says so with a status, and then so does this step.
import { spawnSync } from "node:child_process";

const { stdout, error } = spawnSync("npm", ["audit", "--json"], {
  encoding: "utf8",
  shell: process.platform === "win32",
});
if (error) throw error;
const answer = JSON.parse(stdout);

if (answer.metadata === undefined) {
  if (answer.statusCode === undefined) {
    console.error(`npm audit failed: ${answer.message ?? stdout}`);
    process.exit(1);
  }
  console.log(
    `not checked here: this registry has no advisories (status ${answer.statusCode}); the hosted workflow checks`,
  );
} else {
  const { total } = answer.metadata.vulnerabilities;
  console.log(`${total} known weaknesses`);
  if (total > 0) console.error("`npm audit` has the details");
  process.exitCode = total === 0 ? 0 : 1;
}
