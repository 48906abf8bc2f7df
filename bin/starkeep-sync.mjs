#!/usr/bin/env node
import { main } from "../js/command/main.mjs";

process.exitCode = await main(process.argv.slice(2));
