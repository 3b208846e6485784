//! One line of the log, in either form.

use log::Record;
use log::kv::{self, Key, Value, VisitSource};
use serde::Serializer as _;
use serde::ser::SerializeMap;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::fmt::{self, Write as _};
use std::io;
use std::time::SystemTime;

/// A record, and when it was made.
pub(super) struct Line<'a> {
    pub(super) time: SystemTime,
    pub(super) record: &'a Record<'a>,
}

impl Line<'_> {
    pub(super) fn human(&self) -> String {
        let time = humantime::format_rfc3339_millis(self.time);
        let mut line = format!("{time} {:5} ", self.level());
        escape(&self.record.args().to_string(), &mut line);
        let mut fields = HumanFields(&mut line);
        // It says no only if a value of ours can't be shown.
        let _ = self.record.key_values().visit(&mut fields);
        line
    }

    /// With its end of line.
    pub(super) fn json(&self) -> Vec<u8> {
        let mut line = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut line, Printable);
        // Writing into a Vec does not fail, and all keys are strings.
        let _ = self.write_json(&mut serializer);
        line.push(b'\n');
        line
    }

    fn write_json(
        &self,
        serializer: &mut Serializer<&mut Vec<u8>, Printable>,
    ) -> Result<(), serde_json::Error> {
        let mut map = serializer.serialize_map(None)?;
        let time = humantime::format_rfc3339_millis(self.time);
        map.serialize_entry("time", &time.to_string())?;
        map.serialize_entry("level", &self.level())?;
        map.serialize_entry("message", &self.record.args().to_string())?;
        let mut fields = JsonFields(map);
        let _ = self.record.key_values().visit(&mut fields);
        fields.0.end()
    }

    fn level(&self) -> String {
        self.record.level().as_str().to_ascii_lowercase()
    }
}

/// Fields as ` key=value`.
struct HumanFields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for HumanFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let value = value.to_string();
        let is_word = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=');
        if !value.is_empty() && value.chars().all(is_word) {
            write!(self.0, " {key}={value}")?;
        } else {
            write!(self.0, " {key}={value:?}")?;
        }
        Ok(())
    }
}

/// Fields as members of an object.
struct JsonFields<M>(M);

impl<'kvs, M: SerializeMap> VisitSource<'kvs> for JsonFields<M> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let written = match value.to_u64() {
            Some(number) => self.0.serialize_entry(key.as_str(), &number),
            None => self.0.serialize_entry(key.as_str(), &value.to_string()),
        };
        written.map_err(|_| fmt::Error.into())
    }
}

/// Escapes what does not print: control characters, and those that change how others are shown.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if is_printable(c) {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
}

fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        _ => c.escape_debug().len() == 1,
    }
}

/// JSON in which everything prints: the format itself allows more.
struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.chars().all(is_printable) {
            return writer.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if is_printable(c) {
                write!(writer, "{c}")?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    fn both(message: &str, peer: &str) -> (String, String) {
        let fields = [("peer", peer)];
        let arguments = format_args!("refused: {message}");
        let record = Record::builder()
            .level(Level::Warn)
            .args(arguments)
            .key_values(&fields)
            .build();
        let line = Line {
            time: SystemTime::UNIX_EPOCH,
            record: &record,
        };
        let json = String::from_utf8(line.json()).unwrap();
        (line.human(), json)
    }

    #[test]
    fn a_line_in_both_forms() {
        let (human, json) = both("so \"it\" is", "[::1]:80");
        assert_eq!(
            human,
            "1970-01-01T00:00:00.000Z warn  refused: so \"it\" is peer=[::1]:80"
        );
        assert_eq!(
            json,
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\
             \"message\":\"refused: so \\\"it\\\" is\",\"peer\":\"[::1]:80\"}\n"
        );
    }

    #[test]
    fn numbers_stay_numbers_in_json() {
        let fields = [("status", 403)];
        let record = Record::builder().key_values(&fields).build();
        let time = SystemTime::UNIX_EPOCH;
        let line = Line {
            time,
            record: &record,
        };
        assert!(
            String::from_utf8(line.json())
                .unwrap()
                .contains("\"status\":403}")
        );
        assert!(line.human().ends_with(" status=403"));
    }

    /// A new line, a carriage return that overwrites, colours, a bell, a line separator, text that
    /// runs from right to left, and what only looks like the end of a value.
    #[test]
    fn hostile_values_forge_nothing() {
        let hostile = [
            "x\n1970-01-01T00:00:00.000Z error the disk is full",
            "x\r1970-01-01T00:00:00.000Z error the disk is full",
            "\u{1b}[31mred\u{1b}[2J",
            "bell\u{7}\u{8}\u{0}",
            "C1 \u{85}\u{9b}31m",
            "lines\u{2028}\u{2029}",
            "\u{202e}txet\u{2066}\u{feff}",
            "\", \"level\": \"error\"} peer=1.1.1.1:1",
        ];
        for text in hostile {
            let (human, json) = both(text, text);
            assert!(human.chars().all(is_printable), "{human:?}");
            assert!(
                json.trim_end_matches('\n').chars().all(is_printable),
                "{json:?}"
            );
            assert_eq!(json.matches('\n').count(), 1, "{json:?}");
            let read: Json = serde_json::from_str(&json).unwrap();
            assert_eq!(read["peer"], text);
            assert_eq!(read["level"], "warn");
        }
        let (human, _) = both("", "1 level=error");
        assert!(human.ends_with(" peer=\"1 level=error\""), "{human}");
    }

    proptest! {
        #[test]
        fn whatever_is_said_makes_one_line_that_prints(message in ".{0,40}|[\\x00-\\xff]{0,20}", peer in "\\PC*|.{0,20}") {
            let (human, json) = both(&message, &peer);
            prop_assert!(human.chars().all(is_printable), "{human:?}");
            let json = json.strip_suffix('\n').unwrap();
            prop_assert!(json.chars().all(is_printable), "{json:?}");
            let read: Json = serde_json::from_str(json).unwrap();
            prop_assert_eq!(&read["message"], &format!("refused: {message}"));
            prop_assert_eq!(&read["peer"], &peer);
        }
    }
}
