// What `--help` says.
import { COMMANDS, optionsOf } from "./commands.mjs";
import { SETTINGS, environmentName } from "./settings.mjs";

const EXITS = `Exit codes:
  0    done
  1    something is wrong with the data, the peer or the disk
  2    wrong usage or configuration
  3    done, but items are held: they are listed, and tried again next time
  130  interrupted`;

const NODE_ID = `A place is one machine's. Its name, DIR/node-id, is made at the first use and must never be copied to another
machine: of two places with one name, what one writes may never reach the other. Copy a place by an exchange.`;

const TOKEN = `The token is read from --token-file, else from STARKEEP_SYNC_TOKEN. There is no --token: every user of the machine
can read a command line, and shells keep it.`;

const columns = (rows) => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
};

function optionRow(name) {
  const { value, short, help, initial, isSetting } = SETTINGS[name];
  const spelt = `${short === undefined ? "" : `-${short}, `}--${name}${value ? ` ${value}` : ""}`;
  const told = [
    ...(initial === undefined ? [] : [`default ${initial}`]),
    ...(isSetting || name === "config" ? [environmentName(name)] : []),
  ];
  return [spelt, `${help}${told.length > 0 ? ` [${told.join("; ")}]` : ""}`];
}

function general() {
  const rows = Object.values(COMMANDS).map(({ usage, about }) => [
    usage,
    about.split(/[.:;](?:\s|$)/)[0],
  ]);
  return `Usage: starkeep-sync COMMAND [options]

Keeps files, as records with objects, equal between places: a SQLite file and a folder each.

${columns(rows)}

  starkeep-sync COMMAND --help says more, --version the version.

First steps, on one machine:
  starkeep-sync serve --data cloud &
  starkeep-sync put note.txt --data laptop
  starkeep-sync exchange --url http://127.0.0.1:7420 --data laptop

Options may also stand in the environment (STARKEEP_SYNC_DATA) or in starkeep-sync.json ({ "data": "…" }); flags
count before the environment, the environment before the file. Paths in the file are those from its folder.

${TOKEN}

${NODE_ID}

${EXITS}`;
}

export function helpFor(command) {
  if (command === undefined) return general();
  const { usage, about, example, makes } = COMMANDS[command];
  const options = optionsOf(command);
  return [
    `Usage: starkeep-sync ${usage} --data DIR [options]`,
    about,
    `Example:\n  starkeep-sync ${example}`,
    `Options:\n${columns(options.map(optionRow))}`,
    ...(options.includes("token-file") ? [TOKEN] : []),
    ...(makes ? [NODE_ID] : []),
    EXITS,
  ].join("\n\n");
}
