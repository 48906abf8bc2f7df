import * as sync from "@starkeep/sync-engine";
import runner from "./runner.cjs";

runner.testWith(sync);
