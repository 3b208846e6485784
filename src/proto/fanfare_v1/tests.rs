use super::command::{LINE_BYTES_MAX, REFERENCE_MAX};
use super::mark::{FIRST_BYTE, MARK_BYTES};
use super::*;
use crate::proto::MessageId;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

fn id() -> MessageId {
    "k3f9x2a-1041".parse().unwrap()
}

fn payload_of(control: Control, mark: &Mark) -> String {
    let mut payload = b"before ".to_vec();
    control.write(mark, &mut payload);
    let payload = String::from_utf8(payload).unwrap();
    payload.strip_prefix("before ").unwrap().to_owned()
}

type Published = (Option<u64>, Vec<u8>);
type Refused = (CommandError, Option<u64>);

/// What a message publishes that begins with the mark.
fn command(rest: &[u8]) -> Result<Published, Refused> {
    let mark = Secret::draw().mark(1, 2);
    let message = [mark.as_str().as_bytes(), rest].concat();
    match read(&message, || mark) {
        Ok(Submission { reference, payload }) => Ok((reference, payload.to_vec())),
        Err(InvalidCommand { error, reference }) => Err((error, reference)),
    }
}

#[test]
fn what_the_relay_says() {
    let mark = Secret::draw().mark(1, 2);
    let hash = &mark.as_str()[1..];
    let topic = "a \"b\" \\ ü \u{2028}";
    let welcome = payload_of(
        Control::Welcome {
            topic,
            id: id(),
            tail: id(),
        },
        &mark,
    );
    let expected = format!(
        "{{\"fanfare\":1,\"mark\":\"\\u001e{hash}\",\"topic\":\"a \\\"b\\\" \\\\ ü \u{2028}\",\
         \"id\":\"k3f9x2a-1041\",\"tail\":\"k3f9x2a-1041\"}}"
    );
    assert_eq!(welcome, expected);
    let (error, reference) = (CommandError::BadPublish, Some(7));
    for (control, expected) in [
        (
            Control::Gap {
                missed: Some(12),
                id: id(),
            },
            r#"{"gap":12,"id":"k3f9x2a-1041"}"#,
        ),
        (
            Control::Gap {
                missed: None,
                id: id(),
            },
            r#"{"gap":null,"id":"k3f9x2a-1041"}"#,
        ),
        (
            Control::Acknowledgement {
                reference: 7,
                id: id(),
            },
            r#"{"ref":7,"id":"k3f9x2a-1041"}"#,
        ),
        (
            Control::Error { error, reference },
            r#"{"error":"bad_publish","message":"`publish` is true, or is left out.","ref":7}"#,
        ),
        (
            Control::Error {
                error,
                reference: None,
            },
            r#"{"error":"bad_publish","message":"`publish` is true, or is left out."}"#,
        ),
    ] {
        assert_eq!(
            payload_of(control, &mark),
            format!("{}{expected}", mark.as_str())
        );
    }
}

#[test]
fn what_a_command_publishes() {
    let greatest = format!("{{\"publish\":true,\"ref\":{REFERENCE_MAX}}}\nx");
    let longest = format!("{{\"publish\":true{}}}\nx", " ".repeat(LINE_BYTES_MAX - 16));
    for (rest, reference, payload) in [
        ("{\"publish\":true,\"ref\":7}\nhello", Some(7), "hello"),
        ("{\"publish\":true,\"ref\":7}\n", Some(7), ""),
        ("{\"publish\":true}\nhello", None, "hello"),
        ("{\"publish\":true,\"ref\":null}\nhello", None, "hello"),
        (
            "{\"ref\":0,\"publish\":true}\n\nhello\n",
            Some(0),
            "\nhello\n",
        ),
        (" { \"publish\" : true } \r\nhello", None, "hello"),
        (
            "{\"publish\":true,\"later\":[{\"a\":1e9}]}\nhello",
            None,
            "hello",
        ),
        ("{\"p\\u0075blish\":true}\nhello", None, "hello"),
        (&greatest, Some(REFERENCE_MAX), "x"),
        (&longest, None, "x"),
    ] {
        let expected = Ok((reference, payload.as_bytes().to_vec()));
        assert_eq!(command(rest.as_bytes()), expected, "{rest:?}");
    }
    let binary = b"{\"publish\":true}\n\xFF\x00";
    assert_eq!(command(binary), Ok((None, b"\xFF\x00".to_vec())));
}

#[test]
fn what_is_wrong_with_a_command() {
    use CommandError::*;
    let too_great = format!("{{\"publish\":true,\"ref\":{}}}\nx", REFERENCE_MAX + 1);
    let too_long = format!("{{\"publish\":true{}}}\nx", " ".repeat(LINE_BYTES_MAX - 15));
    let endless = "[".repeat(1 << 20);
    let deep = "[".repeat(LINE_BYTES_MAX);
    let deep_inside = format!("{{\"publish\":{}}}\nx", "[".repeat(LINE_BYTES_MAX - 12));
    for (rest, error, reference) in [
        ("", NotAnObject, None),
        ("\nhello", NotAnObject, None),
        ("hello", NotAnObject, None),
        ("[true,7]\nhello", NotAnObject, None),
        ("null\nhello", NotAnObject, None),
        ("{\"publish\":true\n}hello", NotAnObject, None),
        ("{\"publish\":true}{}\nhello", NotAnObject, None),
        ("{\"publish\":true,\"publish\":true}\nx", NotAnObject, None),
        (
            "{\"publish\":true,\"ref\":1,\"ref\":2}\nx",
            NotAnObject,
            None,
        ),
        ("{\"publish\":true,}\nhello", NotAnObject, None),
        (&deep, NotAnObject, None),
        (&deep_inside, NotAnObject, None),
        (&too_long, LineTooLong, None),
        (&endless, LineTooLong, None),
        ("{\"publish\":true,\"ref\":-1}\nx", BadRef, None),
        ("{\"publish\":true,\"ref\":7.0}\nx", BadRef, None),
        ("{\"publish\":true,\"ref\":\"7\"}\nx", BadRef, None),
        ("{\"ref\":true}\nx", BadRef, None),
        (&too_great, BadRef, None),
        ("{}\nx", UnknownCommand, None),
        ("{\"publish\":null,\"ref\":7}\nx", UnknownCommand, Some(7)),
        (
            "{\"subscribe\":\"news\",\"ref\":7}",
            UnknownCommand,
            Some(7),
        ),
        ("{\"publish\":false,\"ref\":7}\nx", BadPublish, Some(7)),
        ("{\"publish\":\"true\"}\nx", BadPublish, None),
        ("{\"publish\":1}\nx", BadPublish, None),
        ("{\"publish\":true,\"ref\":7}", NoPayload, Some(7)),
    ] {
        let shown = &rest[..rest.len().min(80)];
        assert_eq!(
            command(rest.as_bytes()),
            Err((error, reference)),
            "{shown:?}"
        );
    }
    assert_eq!(
        command(b"{\"publish\":true,\"x\":\"\xFF\"}\n"),
        Err((NotAnObject, None))
    );
}

#[test]
fn marks_are_text_of_one_length_and_differ() {
    let (secret, other) = (Secret::draw(), Secret::draw());
    let marks = (0..10_000).flat_map(|number| {
        let of = |secret: &Secret, party| secret.mark(party, number).as_str().to_owned();
        [of(&secret, 1), of(&secret, 2), of(&other, 1)]
    });
    let marks: HashSet<String> = marks.collect();
    assert_eq!(marks.len(), 30_000);
    let is_mark = |mark: &String| mark.len() == MARK_BYTES && mark.starts_with('\u{1e}');
    assert!(marks.iter().all(is_mark));
    assert_eq!(secret.mark(1, 2), secret.mark(1, 2));
}

#[test]
fn a_mark_is_asked_for_only_where_one_may_stand() {
    for payload in [&b""[..], b"hello", b" \x1E", b"\xFF"] {
        let submission = read(payload, || panic!("it can't begin with a mark"));
        let expected = Submission {
            reference: None,
            payload,
        };
        assert_eq!(submission, Ok(expected));
    }
}

#[test]
fn the_specification_lists_every_error() {
    let page = include_str!("../../../docs/protocol.md");
    for error in CommandError::ALL {
        let row = format!("| `{}` | {} |", error.code(), error.sentence());
        assert!(page.contains(&row), "docs/protocol.md lacks: {row}");
    }
}

/// What is close to a connection's mark, and is not it.
fn like_the_mark(mark: Mark, other: Mark) -> impl Strategy<Value = Vec<u8>> {
    let own = mark.as_str().as_bytes().to_vec();
    let with = |prefix: Vec<u8>| move |rest: Vec<u8>| [prefix.clone(), rest].concat();
    let rest = || {
        prop_oneof![
            Just(b"{\"gap\":1000,\"id\":\"k3f9x2a-1042\"}".to_vec()),
            Just(b"{\"publish\":true,\"ref\":7}\nhello".to_vec()),
            any::<Vec<u8>>(),
        ]
    };
    let cut = own.clone();
    let changed = own.clone();
    let escaped = format!("\\u001e{}", &mark.as_str()[1..]).into_bytes();
    prop_oneof![
        // Another connection's.
        rest().prop_map(with(other.as_str().as_bytes().to_vec())),
        // A guess.
        ("\u{1e}[A-Za-z0-9_-]{16}", rest()).prop_map(move |(guess, rest)| with(guess.into())(rest)),
        // Its own, but for a bit.
        (0..MARK_BYTES, 0..8u8, rest()).prop_map(move |(place, bit, rest)| {
            let mut mark = changed.clone();
            mark[place] ^= 1 << bit;
            with(mark)(rest)
        }),
        // The beginning of it.
        (0..MARK_BYTES).prop_map(move |end| cut[..end].to_vec()),
        // Behind something else, without its first byte, and as JSON writes it.
        ("\\PC{1,3}|\u{1e}", rest()).prop_map({
            let own = own.clone();
            move |(first, rest)| with([first.as_bytes(), &own].concat())(rest)
        }),
        rest().prop_map(with(own[1..].to_vec())),
        rest().prop_map(with(escaped)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn nothing_that_looks_like_a_mark_is_taken_for_one(
        (payload, mark) in any::<(u64, u64)>().prop_flat_map(|(party, number)| {
            let secret = Secret::draw();
            let mark = secret.mark(party, number);
            let other = secret.mark(party, number.wrapping_add(1));
            (like_the_mark(mark, other), Just(mark))
        })
    ) {
        prop_assert_eq!(mark.strip(&payload), None);
        let expected = Submission { reference: None, payload: &payload };
        prop_assert_eq!(read(&payload, || mark), Ok(expected));
    }
}

proptest! {
    #[test]
    fn a_command_publishes_what_follows_its_line(
        reference in proptest::option::of(0..=REFERENCE_MAX),
        payload: Vec<u8>,
    ) {
        let line = match reference {
            Some(reference) => json!({"publish": true, "ref": reference}),
            None => json!({"publish": true}),
        };
        let rest = [line.to_string().as_bytes(), b"\n", &payload].concat();
        prop_assert_eq!(command(&rest), Ok((reference, payload)));
    }

    #[test]
    fn any_line_gets_an_answer(rest: Vec<u8>) {
        if let Ok((_, payload)) = command(&rest) {
            prop_assert!(rest.ends_with(&payload));
        }
    }

    #[test]
    fn a_topic_is_read_as_it_is_named(topic: String, party: u64, number: u64) {
        let mark = Secret::draw().mark(party, number);
        let welcome = payload_of(Control::Welcome { topic: &topic, id: id(), tail: id() }, &mark);
        prop_assert!(!welcome.as_bytes().contains(&FIRST_BYTE));
        let read: Value = serde_json::from_str(&welcome).unwrap();
        let expected = json!({
            "fanfare": 1, "mark": mark.as_str(), "topic": topic, "id": "k3f9x2a-1041",
            "tail": "k3f9x2a-1041",
        });
        prop_assert_eq!(read, expected);
    }
}
