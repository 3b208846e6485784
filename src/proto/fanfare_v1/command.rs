//! What a client sends: a message to publish as it is, or a command.
//!
//! A command is the connection's mark, a line of JSON, and behind its LF what is to be published. JSON is read
//! strictly where it says something that is known, and what is not known in it is ignored, so that later versions
//! may say more.

use super::mark::{FIRST_BYTE, MARK_BYTES, Mark};
use serde::Deserialize;
use serde_json::Value;
use std::error::Error;
use std::fmt;

/// The longest line of a command, without its LF. All that is known fits into a tenth of it.
pub const LINE_BYTES_MAX: usize = 512;

/// How much longer a command may be than what it publishes: mark, line and LF.
pub const OVERHEAD_BYTES_MAX: usize = MARK_BYTES + LINE_BYTES_MAX + 1;

/// The greatest `ref`: greater ones are not exact in JavaScript, nor in most JSON that passes a program.
pub const REFERENCE_MAX: u64 = (1 << 53) - 1;

/// What a message publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission<'a> {
    /// What the client calls it, if it wants to know its number.
    pub reference: Option<u64>,
    /// It is text if the message is.
    pub payload: &'a [u8],
}

/// A command that is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCommand {
    /// Why not.
    pub error: CommandError,
    /// What the client calls it, if it said so.
    pub reference: Option<u64>,
}

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandError {
    /// Its line is over [`LINE_BYTES_MAX`].
    LineTooLong,
    /// Its line is not a JSON object, or says something twice.
    NotAnObject,
    /// Its `ref` is something else than a number from 0 to [`REFERENCE_MAX`].
    BadRef,
    /// Its object holds no command that is known.
    UnknownCommand,
    /// Its `publish` is something else than `true`.
    BadPublish,
    /// No LF follows the line of a `publish`.
    NoPayload,
    /// Messages of clients are not taken in this topic.
    MayNotPublish,
}

impl CommandError {
    /// All of them.
    pub const ALL: [CommandError; 7] = [
        CommandError::LineTooLong,
        CommandError::NotAnObject,
        CommandError::BadRef,
        CommandError::UnknownCommand,
        CommandError::BadPublish,
        CommandError::NoPayload,
        CommandError::MayNotPublish,
    ];

    /// The word for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            CommandError::LineTooLong => "line_too_long",
            CommandError::NotAnObject => "not_an_object",
            CommandError::BadRef => "bad_ref",
            CommandError::UnknownCommand => "unknown_command",
            CommandError::BadPublish => "bad_publish",
            CommandError::NoPayload => "no_payload",
            CommandError::MayNotPublish => "may_not_publish",
        }
    }

    /// The sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            CommandError::LineTooLong => {
                "A command's line has at most 512 bytes, and a line feed ends it."
            }
            CommandError::NotAnObject => {
                "A command's line is a JSON object that names nothing twice, as in {\"publish\":true}."
            }
            CommandError::BadRef => "`ref` is a whole number from 0 to 9007199254740991.",
            CommandError::UnknownCommand => "The only command is \"publish\":true.",
            CommandError::BadPublish => "`publish` is true, or is left out.",
            CommandError::NoPayload => {
                "Behind the line of a `publish` come a line feed and the payload."
            }
            CommandError::MayNotPublish => "This topic takes no messages from WebSockets.",
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl Error for CommandError {}

/// What a whole message of a client publishes. Its mark is asked for only if the message may begin with it.
pub fn read(payload: &[u8], mark: impl FnOnce() -> Mark) -> Result<Submission<'_>, InvalidCommand> {
    match payload.first() {
        Some(&FIRST_BYTE) => match mark().strip(payload) {
            Some(command) => read_command(command),
            None => Ok(verbatim(payload)),
        },
        _ => Ok(verbatim(payload)),
    }
}

fn verbatim(payload: &[u8]) -> Submission<'_> {
    Submission {
        reference: None,
        payload,
    }
}

/// What follows the mark.
fn read_command(command: &[u8]) -> Result<Submission<'_>, InvalidCommand> {
    let mut reference = None;
    read_publish(command, &mut reference).map_err(|error| InvalidCommand { error, reference })
}

/// Reads a command as far as there is no fault in it, and notes its reference as soon as that is known.
fn read_publish<'a>(
    command: &'a [u8],
    reference: &mut Option<u64>,
) -> Result<Submission<'a>, CommandError> {
    let within = &command[..command.len().min(LINE_BYTES_MAX + 1)];
    let line_end = within.iter().position(|&byte| byte == b'\n');
    let line = match line_end {
        Some(end) => &command[..end],
        None if command.len() > LINE_BYTES_MAX => return Err(CommandError::LineTooLong),
        None => command,
    };
    let line = Line::parse(line).ok_or(CommandError::NotAnObject)?;
    *reference = match line.reference {
        None => None,
        Some(value) => {
            let number = value.as_u64().filter(|&number| number <= REFERENCE_MAX);
            Some(number.ok_or(CommandError::BadRef)?)
        }
    };
    match line.publish {
        None => return Err(CommandError::UnknownCommand),
        Some(Value::Bool(true)) => {}
        Some(_) => return Err(CommandError::BadPublish),
    }
    let line_end = line_end.ok_or(CommandError::NoPayload)?;
    Ok(Submission {
        reference: *reference,
        payload: &command[line_end + 1..],
    })
}

/// What is known of a command's object. `null` stands for nothing, as where the name is left out.
#[derive(Deserialize)]
struct Line {
    publish: Option<Value>,
    #[serde(rename = "ref")]
    reference: Option<Value>,
}

impl Line {
    fn parse(line: &[u8]) -> Option<Line> {
        // In strings that are ignored, other bytes would pass.
        let line = str::from_utf8(line).ok()?;
        // An array of both would be read, too.
        let is_object = line.trim_ascii_start().starts_with('{');
        let line = serde_json::from_str(line).ok();
        line.filter(|_| is_object)
    }
}
