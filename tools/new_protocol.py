#!/usr/bin/env python3
"""Begin a protocol: its folder with a small parser that works, its line in the registry, its `pub mod`.

usage: new_protocol.py NAME [tcp|udp]

NAME is lower case, as `app_proto` will say it. What is written is a beginning: a message is told by the bytes of MAGIC at
its start and gives one event with its length. Python 3.9+, no package.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROTO = "crates/dissect/src/proto"
REGISTRY = "crates/dissect/src/registry.rs"
# Words that a module or a type cannot be named.
TAKEN = set("as async await box break const continue crate dyn else enum extern false fn for gen if impl in let loop match mod move mut "
            "pub ref return self static struct super trait true try type unsafe use where while unknown parser proto none".split())

HEAD = '''//! TITLE (name the document that it follows).
//!
//! Say here what one event stands for, what is assumed, and what is left out.

#[cfg(test)]
mod tests;

use crate::IMPORTS;
use vigie_base::Direction;
use vigie_event::{NO_TX, Out, Record};

/// A message.
#[derive(Record)]
#[record(kind = "@name@")]
pub struct @Name@Message {
    /// Bytes of the message.
    #[field(place = "vigie")]
    pub length: u32,
}

/// The state of a flow.
#[derive(Debug, Default)]
pub struct @Name@ {
    transactions: u32,
}

/// What a message begins with.
const MAGIC: &[u8] = b"@NAME@";
'''

UDP = '''
impl Protocol for @Name@ {
    const INFO: Info =
        Info { name: "@name@", doc: "TITLE", transports: &[Transport::Udp], ports: &[], buffer_max: 0 };

    fn probe(p: &Probe<'_>) -> Match {
        if p.bytes.starts_with(MAGIC) { Match::Yes } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        if bytes.starts_with(MAGIC) {
            self.transactions += 1;
            cx.push_from(dir, NO_TX, &@Name@Message { length: bytes.len() as u32 });
        } else {
            cx.anomaly("@name@", "malformed_data", self.transactions);
        }
        Step::go(bytes.len())
    }

    fn transactions(&self) -> u32 {
        self.transactions
    }
}
'''

TCP = '''/// Longest line; a longer one is no message of this protocol.
const LINE_MAX: usize = 4096;

impl Protocol for @Name@ {
    const INFO: Info =
        Info { name: "@name@", doc: "TITLE", transports: &[Transport::Tcp], ports: &[], buffer_max: LINE_MAX };

    fn probe(p: &Probe<'_>) -> Match {
        if p.bytes.starts_with(MAGIC) {
            Match::Yes
        } else if MAGIC.starts_with(p.bytes) {
            Match::Maybe
        } else {
            Match::No
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        // Unused bytes are given again, with more behind them, wherever the stream is cut.
        let Some((line, used)) = line(bytes) else {
            return if bytes.len() < LINE_MAX { Step::go(0) } else { Step::give_up("line_too_long") };
        };
        if line.starts_with(MAGIC) {
            cx.push_from(dir, self.transactions, &@Name@Message { length: line.len() as u32 });
            self.transactions += 1;
        }
        Step::go(used)
    }

    fn gap<O: Out>(&mut self, _: &mut Cx<'_, O>, _: Direction, _: u64) -> Next {
        // Say here how it finds its place again.
        Next::GiveUp("gap")
    }

    fn transactions(&self) -> u32 {
        self.transactions
    }
}
'''

UDP_TESTS = '''use crate::testing::{ToClient, ToServer, datagrams, get};

#[test]
fn a_message_is_an_event_and_others_are_odd() {
    let lines = datagrams(4000, &[(ToServer, b"@NAME@ hello"), (ToClient, b"@NAME@"), (ToClient, b"garbage")]);
    let kinds: Vec<String> = lines.iter().map(|l| get(l, "event_type")).collect();
    assert_eq!(kinds, ["\\"@name@\\"", "\\"@name@\\"", "\\"anomaly\\""]);
    assert_eq!(get(&lines[0], "vigie.length"), "@HELLO@");
}
'''

TCP_TESTS = '''use crate::testing::{ToClient, ToServer, get, same_wherever_cut, stream};
use vigie_base::Direction;

const SESSION: &[(Direction, &[u8])] = &[(ToServer, b"@NAME@ hello\\r\\n"), (ToClient, b"@NAME@\\r\\nother\\r\\n")];

#[test]
fn a_line_is_an_event() {
    let lines = stream(4000, SESSION);
    assert_eq!(lines.iter().map(|l| get(l, "vigie.length")).collect::<Vec<_>>(), ["@HELLO@", "@ALONE@"]);
}

#[test]
fn the_same_wherever_it_is_cut() {
    same_wherever_cut(4000, SESSION);
}
'''


def create(top, name, transport="udp"):
    """Writes all of it below `top`; gives the paths that are new or changed. Raises ValueError with what is wrong."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,15}", name) or name in TAKEN:
        raise ValueError(f"'{name}' cannot name a protocol: 2 to 16 of a-z, 0-9 and _, a letter first, no word of Rust")
    if transport not in ("tcp", "udp"):
        raise ValueError(f"'{transport}' carries no protocol here: tcp or udp")
    folder = os.path.join(top, PROTO, name)
    camel = "".join(w.capitalize() for w in name.split("_"))
    mods_path, registry_path = os.path.join(top, PROTO, "mod.rs"), os.path.join(top, REGISTRY)
    mods, registry = read(mods_path), read(registry_path)
    if os.path.exists(folder) or f"pub mod {name};\n" in mods or re.search(rf"^    {camel}: ", registry, re.M):
        raise ValueError(f"there is a protocol '{name}' already")
    listed = re.search(r"\nprotocols! \{\n(?:    \w+: .*\n)+", registry)
    if not listed:
        raise ValueError(f"{REGISTRY}: no list `protocols! {{ ... }}`")
    line = f"    {camel}: {name}::{camel} [{name}::{camel}Message];\n"
    registry = registry[:listed.end()] + line + registry[listed.end():]
    head, body, tests = (HEAD, UDP, UDP_TESTS) if transport == "udp" else (HEAD, TCP, TCP_TESTS)
    imports = ["Cx", "Info", "Match", "Probe", "Protocol", "Step", "Transport"]
    if transport == "tcp":
        head = head.replace("use crate::IMPORTS;", "use crate::cursor::line;\nuse crate::IMPORTS;")
        imports.insert(3, "Next")
    text = (head + body).replace("IMPORTS", "{" + ", ".join(imports) + "}")

    def fill(text):
        for mark, value in (("@name@", name), ("@Name@", camel), ("@NAME@", name.upper()), ("TITLE", camel),
                            ("@HELLO@", str(len(name) + 6)), ("@ALONE@", str(len(name)))):
            text = text.replace(mark, value)
        return text

    at = [m for m in re.finditer(r"^pub mod (\w+);\n", mods, re.M)]
    after = max((m.end() for m in at if m[1] < name), default=at[0].start() if at else len(mods))
    mods = mods[:after] + f"pub mod {name};\n" + mods[after:]
    os.mkdir(folder)
    write(os.path.join(folder, "mod.rs"), fill(text))
    write(os.path.join(folder, "tests.rs"), fill(tests))
    write(mods_path, mods)
    write(registry_path, registry)
    return [f"{PROTO}/{name}/mod.rs", f"{PROTO}/{name}/tests.rs", f"{PROTO}/mod.rs", REGISTRY]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split("\n\n")[1])
    try:
        paths = create(TOP, *sys.argv[1:])
    except (ValueError, OSError) as why:
        sys.exit(f"new protocol: {why}")
    print("\n".join(paths))


if __name__ == "__main__":
    main()
