// One behaviour, every store. `conformance/` has the stores and the sentences.
import { OBJECT_STORES } from "./conformance/object-stores.mjs";
import { OBJECTS, OBJECT_LIMITS, OBJECT_ROUNDS, pairsOfStorages } from "./conformance/objects.mjs";
import { ODD_ROWS } from "./conformance/odd-rows.mjs";
import { RECORDS_OF_OWN_TABLES, ROWS_OF_OWN_TABLES } from "./conformance/own-tables.mjs";
import { ANSWERS, ROUNDS, pairsOf } from "./conformance/record-rounds.mjs";
import {
  OWN_STORES_OVER_TABLES,
  RECORD_STORES,
  STORES_OVER_TABLES,
} from "./conformance/record-stores.mjs";
import { RECORDS, RECORD_LIMITS } from "./conformance/records.mjs";
import { ROW_ROUNDS, pairsOfSources } from "./conformance/row-rounds.mjs";
import { ROW_STORES, SOURCES_OVER_TABLES } from "./conformance/row-stores.mjs";
import { ODD_APP_ROWS, ROWS, ROW_LIMITS } from "./conformance/rows.mjs";
import { STATES, STATE_STORES } from "./conformance/states.mjs";
import { conform } from "./conformance/suite.mjs";

conform(RECORD_STORES, { ...RECORDS, ...ANSWERS }, RECORD_LIMITS);
conform(STORES_OVER_TABLES, ODD_ROWS);
conform(OWN_STORES_OVER_TABLES, RECORDS_OF_OWN_TABLES);
conform(pairsOf(RECORD_STORES), ROUNDS);

conform(ROW_STORES, ROWS, ROW_LIMITS);
conform(SOURCES_OVER_TABLES, { ...ODD_APP_ROWS, ...ROWS_OF_OWN_TABLES });
conform(pairsOfSources(ROW_STORES), ROW_ROUNDS);

conform(OBJECT_STORES, OBJECTS, OBJECT_LIMITS);
conform(pairsOfStorages(OBJECT_STORES), OBJECT_ROUNDS);

conform(STATE_STORES, STATES);
