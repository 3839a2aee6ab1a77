//! The telnet layer (RFC 854, 855): commands and options taken out of the data, byte by byte.

/// Bytes kept of a subnegotiation.
const SUB_MAX: usize = 256;

const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;

/// One direction's reader.
#[derive(Debug, Default)]
pub(super) struct Reader {
    state: State,
    sub: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Data,
    Command,
    /// WILL, WONT, DO or DONT: its option follows.
    Option,
    Sub,
    SubCommand,
}

/// What a byte brought.
pub(super) enum Item<'a> {
    /// A byte of data.
    Data(u8),
    /// The option of WILL, WONT, DO or DONT.
    Option,
    /// A whole subnegotiation: its option and what follows it.
    Sub(&'a [u8]),
    /// Part of something.
    Nothing,
}

impl Reader {
    pub(super) fn byte(&mut self, b: u8) -> Item<'_> {
        self.state = match (self.state, b) {
            (State::Data, IAC) => State::Command,
            (State::Data, b) => return Item::Data(b),
            (State::Command, IAC) => {
                self.state = State::Data;
                return Item::Data(IAC);
            }
            (State::Command, SB) => {
                self.sub.clear();
                State::Sub
            }
            (State::Command, 251..=254) => State::Option,
            (State::Command, _) => State::Data,
            (State::Option, _) => {
                self.state = State::Data;
                return Item::Option;
            }
            (State::Sub, IAC) => State::SubCommand,
            (State::Sub, b) => {
                self.keep(b);
                State::Sub
            }
            (State::SubCommand, IAC) => {
                self.keep(IAC);
                State::Sub
            }
            (State::SubCommand, SE) => {
                self.state = State::Data;
                return Item::Sub(&self.sub);
            }
            // A subnegotiation without its end; what follows is a command again.
            (State::SubCommand, 251..=254) => State::Option,
            (State::SubCommand, _) => State::Data,
        };
        Item::Nothing
    }

    fn keep(&mut self, b: u8) {
        if self.sub.len() < SUB_MAX {
            self.sub.push(b);
        }
    }
}

/// The value of variable `name` in a NEW-ENVIRON list (RFC 1572), after its `IS` or `INFO`.
pub(super) fn variable(list: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    // VAR 0, VALUE 1, ESC 2, USERVAR 3.
    let (mut key, mut value, mut in_value, mut at) = (Vec::new(), Vec::new(), false, 0);
    while at <= list.len() {
        match list.get(at) {
            None | Some(0 | 3) => {
                if in_value && key == name {
                    return Some(value);
                }
                key.clear();
                in_value = false;
            }
            Some(1) => {
                value.clear();
                in_value = true;
            }
            Some(b) => {
                let b = if *b == 2 {
                    at += 1;
                    list.get(at).copied().unwrap_or(2)
                } else {
                    *b
                };
                if in_value { value.push(b) } else { key.push(b) }
            }
        }
        at += 1;
    }
    None
}

crate::held::holds! { Reader: { sub } }
