require("./runner.cjs").testWith(require("@starkeep/sync-engine"));
