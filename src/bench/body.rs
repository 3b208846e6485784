//! What a request's body is made of: the payload alone, or a text around it, as servers' interfaces ask for.

use super::payload::Fields;
use super::script::Script;
use serde::{Serialize, Serializer};
use std::str::FromStr;

/// What stands for a part of the message, and that part.
const PLACEHOLDERS: [(&str, Part); 4] = [
    ("{payload}", Part::Payload),
    ("{payload:json}", Part::JsonPayload),
    ("{payload:form}", Part::FormPayload),
    ("{number}", Part::Number),
];

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BodyTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Payload,
    /// Inside of a string of JSON.
    JsonPayload,
    /// As the value of a field of a form.
    FormPayload,
    /// The number of the message, of all publishers together.
    Number,
}

impl FromStr for BodyTemplate {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        let mut rest = text;
        let next = |rest: &str| {
            let places = PLACEHOLDERS.iter().filter_map(|(name, part)| {
                let at = rest.find(name)?;
                Some((at, at + name.len(), part.clone()))
            });
            places.min_by_key(|&(at, ..)| at)
        };
        while let Some((at, end, part)) = next(rest) {
            parts.push(Part::Text(rest[..at].into()));
            parts.push(part);
            rest = &rest[end..];
        }
        parts.push(Part::Text(rest.into()));
        parts.retain(|part| *part != Part::Text(String::new()));
        let text = text.into();
        Ok(BodyTemplate { text, parts })
    }
}

impl BodyTemplate {
    /// Whether what is published can be recognized.
    pub(super) fn has_payload(&self) -> bool {
        let is_payload = |part: &Part| !matches!(part, Part::Text(_) | Part::Number);
        self.parts.iter().any(is_payload)
    }

    /// Appends the body of a message, which is the n-th of all.
    pub(super) fn write(&self, script: &Script, fields: Fields, n: u64, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        script.write_payload(fields, &mut payload);
        // Payloads consist of printable characters.
        let text = String::from_utf8_lossy(&payload);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Payload => out.extend_from_slice(&payload),
                Part::JsonPayload => {
                    // A string has a JSON form always, between its quotes.
                    let quoted = serde_json::to_string(&text).unwrap_or_default();
                    let inside = quoted.get(1..quoted.len().saturating_sub(1));
                    out.extend_from_slice(inside.unwrap_or_default().as_bytes());
                }
                Part::FormPayload => {
                    for piece in form_urlencoded::byte_serialize(&payload) {
                        out.extend_from_slice(piece.as_bytes());
                    }
                }
                Part::Number => out.extend_from_slice(n.to_string().as_bytes()),
            }
        }
    }
}

impl Serialize for BodyTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Content;
    use super::*;
    use crate::proto::MessageKind;

    fn body(template: &str) -> (String, String) {
        let script = Script::new(MessageKind::Text, &[40], 7);
        let fields = Fields {
            publisher: 0,
            sequence: 3,
        };
        let (mut body, mut payload) = (Vec::new(), Vec::new());
        let template: BodyTemplate = template.parse().unwrap();
        template.write(&script, fields, 12, &mut body);
        script.write_payload(fields, &mut payload);
        (
            String::from_utf8(body).unwrap(),
            String::from_utf8(payload).unwrap(),
        )
    }

    #[test]
    fn placeholders_are_filled_in() {
        let (filled, payload) = body("{payload}");
        assert_eq!(filled, payload);
        let (filled, payload) = body("{number}:{payload}{payload}.{x}{}");
        assert_eq!(filled, format!("12:{payload}{payload}.{{x}}{{}}"));
        assert_eq!(body("{}").0, "{}");
        assert_eq!(body("").0, "");
    }

    #[test]
    fn the_payload_is_what_a_parser_makes_of_it() {
        let (filled, payload) = body(r#"{"channel":"c","n":{number},"data":"{payload:json}"}"#);
        let parsed: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(
            parsed,
            serde_json::json!({"channel": "c", "n": 12, "data": payload})
        );
        let (filled, payload) = body("topic=t&data={payload:form}");
        let fields: Vec<_> = form_urlencoded::parse(filled.as_bytes()).collect();
        assert_eq!(fields[1], ("data".into(), payload.into()));
    }

    #[test]
    fn quotes_at_the_ends_are_escaped() {
        // What records of JSON are filled with may begin and end anywhere.
        for size in 40..80 {
            let options = crate::bench::options::MessageOptions {
                size: vec![size],
                text: true,
                binary: false,
                content: Content::Json,
            };
            let script = Script::of(&options, false, 7);
            for sequence in 0..256 {
                let fields = Fields {
                    publisher: 0,
                    sequence,
                };
                let template: BodyTemplate = "\"{payload:json}\"".parse().unwrap();
                let (mut body, mut payload) = (Vec::new(), Vec::new());
                template.write(&script, fields, 0, &mut body);
                script.write_payload(fields, &mut payload);
                let parsed: String = serde_json::from_slice(&body).unwrap();
                assert_eq!(parsed.as_bytes(), payload);
            }
        }
    }

    #[test]
    fn what_can_be_recognized() {
        let has_payload = |text: &str| text.parse::<BodyTemplate>().unwrap().has_payload();
        assert!(has_payload("{payload:form}") && has_payload("a{payload}"));
        assert!(!has_payload("{number}") && !has_payload("payload"));
    }
}
