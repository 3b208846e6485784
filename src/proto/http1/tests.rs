use super::*;
use proptest::prelude::*;

const LIMIT: usize = 16 * 1024;

const HEAD: &[u8] = b"GET /ws/lobby?echo=0 HTTP/1.1\r\n\
    Host: example.com:8080\r\n\
    Connection: keep-alive\r\n\
    connection:\t Upgrade , close\t\r\n\
    X-Empty:\r\n\
    X-Latin: caf\xe9\r\n\
    \r\n";

/// The verdict of a scanner that gets the bytes in reads cut at `cuts`, and the number of bytes
/// that had come by then.
fn scan_cut(
    mut scanner: HeadScanner,
    bytes: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    limit: usize,
) -> (Result<Option<usize>, HeadError>, usize) {
    for end in cuts {
        match scanner.scan(&bytes[..end], limit) {
            Ok(None) => {}
            verdict => return (verdict, end),
        }
    }
    (scanner.scan(bytes, limit), bytes.len())
}

fn scan(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
    let whole = HeadScanner::default().scan(bytes, LIMIT);
    let (cut, _) = scan_cut(HeadScanner::default(), bytes, 0..bytes.len(), LIMIT);
    assert_eq!(cut, whole, "{:?}", bytes.escape_ascii().to_string());
    whole
}

/// How many bytes have to come until the scanner refuses, and why.
fn refused(bytes: &[u8]) -> (HeadError, usize) {
    let (verdict, end) = scan_cut(HeadScanner::default(), bytes, 0..bytes.len(), LIMIT);
    assert_eq!(scan(bytes), verdict);
    (verdict.unwrap_err(), end)
}

#[test]
fn the_end_is_found_wherever_the_head_is_cut() {
    assert_eq!(scan(HEAD), Ok(Some(HEAD.len())));
    let with_frames = [HEAD, b"\x81\x85\0\0\0\0\r\n\r\n"].concat();
    assert_eq!(scan(&with_frames), Ok(Some(HEAD.len())));
    for end in 0..HEAD.len() {
        assert_eq!(scan(&HEAD[..end]), Ok(None));
    }
    assert!(size_of::<HeadScanner>() <= 24);
}

#[test]
fn what_can_not_be_a_head_is_refused_at_its_first_bad_byte() {
    use HeadError::{ControlCharacter, FirstLine};
    for (bytes, error, end) in [
        (&b"\x16\x03\x01 TLS"[..], ControlCharacter, 1),
        (b"\0", ControlCharacter, 1),
        (b"\n", ControlCharacter, 1),
        (b"GET / HTTP/1.1\n", ControlCharacter, 15),
        (b"GET / HTTP/1.1\rX", ControlCharacter, 16),
        (b"GET / HTTP/1.1\r\r", ControlCharacter, 16),
        (b"GET /\0 HTTP/1.1", ControlCharacter, 6),
        (b"GET /\x7f HTTP/1.1", ControlCharacter, 6),
        (b"GET / HTTP/1.1\r\nA: b\nC: d", ControlCharacter, 21),
        (b"GET / HTTP/1.1\r\nA: b\rC: d", ControlCharacter, 22),
        (b"GET / HTTP/1.1\r\nA: \x1b", ControlCharacter, 20),
        (b"GET / HTTP/1.1\r\n\rX", ControlCharacter, 18),
        (b"GET / HTTP/1.1\r\n\n", ControlCharacter, 17),
        (b"SSH-2.0-OpenSSH_9.6\r\n", FirstLine, 21),
        (b"GET /\r\n", FirstLine, 7),
        (b"GET  / HTTP/1.1\r\n", FirstLine, 17),
        (b"GET / HTTP/1.1 \r\n", FirstLine, 17),
        (b"GET / HTTP/2.0\r\n", FirstLine, 16),
        (b"GET / http/1.1\r\n", FirstLine, 16),
        (b"GET\t/ HTTP/1.1\r\n", FirstLine, 16),
        (b" GET / HTTP/1.1\r\n", FirstLine, 17),
        (b"G(T / HTTP/1.1\r\n", FirstLine, 16),
        (b"GET /\xff HTTP/1.1\r\n", FirstLine, 17),
        (b"HTTP/1.1 200 OK\r\n", FirstLine, 17),
        (b"hello\r\n", FirstLine, 7),
    ] {
        assert_eq!(refused(bytes), (error, end), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_few_empty_lines_may_come_first() {
    let after = |lines: usize| [&b"\r\n".repeat(lines)[..], HEAD].concat();
    for lines in 0..=4 {
        let bytes = after(lines);
        assert_eq!(scan(&bytes), Ok(Some(bytes.len())));
        assert_eq!(Head::parse(&bytes).unwrap().path(), "/ws/lobby");
    }
    assert_eq!(refused(&after(5)), (HeadError::FirstLine, 9));
    assert_eq!(
        HeadScanner::response().scan(b"\r\n", LIMIT),
        Err(HeadError::FirstLine)
    );
}

#[test]
fn the_limit_counts_the_head_and_not_what_follows() {
    let with_frames = [HEAD, &[0x81; 100]].concat();
    let scan = |bytes, limit| {
        let whole = HeadScanner::default().scan(bytes, limit);
        let cut = scan_cut(HeadScanner::default(), bytes, 0..bytes.len(), limit).0;
        assert_eq!(whole, cut);
        whole
    };
    assert_eq!(scan(&with_frames, HEAD.len()), Ok(Some(HEAD.len())));
    assert_eq!(scan(&with_frames, HEAD.len() - 1), Err(HeadError::TooLong));
    // As soon as nothing can end it in time any more.
    assert_eq!(scan(&HEAD[..50], 50), Err(HeadError::TooLong));
    assert_eq!(scan(&HEAD[..50], 51), Ok(None));
    assert_eq!(scan(&[b'A'; LIMIT], LIMIT), Err(HeadError::TooLong));
}

#[test]
fn the_limit_may_be_lowered_in_the_middle_of_a_line() {
    let head = [b"GET /", vec![b'a'; 8000].as_slice()].concat();
    for limit in [0, 100, 8004] {
        let mut scanner = HeadScanner::default();
        assert_eq!(scanner.scan(&head, 16 << 10), Ok(None));
        assert_eq!(scanner.scan(&head, limit), Err(HeadError::TooLong));
    }
}

#[test]
fn a_response_has_a_status_line() {
    let response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\0";
    let head_bytes = HeadScanner::response()
        .scan(response, LIMIT)
        .unwrap()
        .unwrap();
    assert_eq!(head_bytes, response.len() - 2);
    let head = ResponseHead::parse(&response[..head_bytes]).unwrap();
    assert_eq!(
        (head.status, head.reason, head.minor_version),
        (101, "Switching Protocols", 1)
    );
    assert!(head.headers.has_token("upgrade", "WebSocket"));
    for line in [
        "GET / HTTP/1.1\r\n",
        "HTTP/2 101 Fine\r\n",
        "HTTP/1.1 1 Fine\r\n",
    ] {
        assert_eq!(
            HeadScanner::response().scan(line.as_bytes(), LIMIT),
            Err(HeadError::FirstLine)
        );
    }
    assert!(ResponseHead::parse(b"HTTP/1.1 101\r\n\r\n").is_ok());
    assert!(ResponseHead::parse(b"HTTP/1.1 101 Half a head\r\n").is_err());
}

#[test]
fn a_head_is_taken_apart() {
    let head = Head::parse(HEAD).unwrap();
    assert_eq!(head.method, "GET");
    assert_eq!(head.target, "/ws/lobby?echo=0");
    assert_eq!((head.path(), head.query()), ("/ws/lobby", Some("echo=0")));
    assert_eq!((head.minor_version, head.authority()), (1, None));
    let headers = &head.headers;
    assert_eq!(headers.iter().count(), 5);
    assert_eq!(headers.only("HOST"), Ok(Some(&b"example.com:8080"[..])));
    assert_eq!(headers.only("X-Empty"), Ok(Some(&b""[..])));
    assert_eq!(headers.only("X-Latin"), Ok(Some(&b"caf\xe9"[..])));
    assert_eq!(headers.only("Origin"), Ok(None));
    assert_eq!(headers.only("Connection"), Err(Repeated));
    let values: Vec<_> = headers.values("Connection").collect();
    assert_eq!(values, [&b"keep-alive"[..], b"Upgrade , close"]);
    let tokens: Vec<_> = headers.tokens("Connection").collect();
    assert_eq!(tokens, ["keep-alive", "Upgrade", "close"]);
    assert!(headers.has_token("connection", "UPGRADE"));
    assert!(!headers.has_token("connection", "up"));
    assert_eq!(headers.tokens("X-Empty").count(), 0);
    assert_eq!(headers.tokens("X-Latin").count(), 0);
}

#[test]
fn bad_header_lines_are_refused() {
    for (lines, error) in [
        ("A: b\r\n folded\r\n", HeadError::HeaderLine),
        ("A: b\r\n\tfolded\r\n", HeadError::HeaderLine),
        (" A: b\r\n", HeadError::HeaderLine),
        ("A : b\r\n", HeadError::HeaderLine),
        ("A\t: b\r\n", HeadError::HeaderLine),
        (": b\r\n", HeadError::HeaderLine),
        ("no colon\r\n", HeadError::HeaderLine),
        ("A(b): c\r\n", HeadError::HeaderLine),
        ("é: c\r\n", HeadError::HeaderLine),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        assert_eq!(scan(bytes.as_bytes()), Ok(Some(bytes.len())));
        assert_eq!(
            Head::parse(bytes.as_bytes()).unwrap_err(),
            error,
            "{lines:?}"
        );
    }
}

#[test]
fn a_head_may_have_a_hundred_header_lines() {
    let bytes = |lines| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(lines));
    assert_eq!(
        Head::parse(bytes(100).as_bytes())
            .unwrap()
            .headers
            .iter()
            .count(),
        100
    );
    let error = Head::parse(bytes(101).as_bytes()).unwrap_err();
    assert_eq!(error, HeadError::TooManyHeaders);
}

#[test]
fn targets_come_as_paths_and_as_urls() {
    let parse = |method: &str, target: &str| {
        let bytes = format!("{method} {target} HTTP/1.1\r\n\r\n");
        Head::parse(bytes.as_bytes()).map(|head| {
            let owned = |part: Option<&str>| part.map(str::to_owned);
            (
                owned(head.authority()),
                head.path().to_owned(),
                owned(head.query()),
            )
        })
    };
    for (target, authority, path, query) in [
        ("/", None, "/", None),
        ("/ws/a%20b?", None, "/ws/a%20b", Some("")),
        ("/a?b?c=d", None, "/a", Some("b?c=d")),
        ("//host/ws", None, "//host/ws", None),
        ("/http://x/", None, "/http://x/", None),
        ("*", None, "*", None),
        ("http://host/ws", Some("host"), "/ws", None),
        ("HTTP://host:80/ws?x", Some("host:80"), "/ws", Some("x")),
        ("wss://[::1]:8080", Some("[::1]:8080"), "/", None),
        ("ws://host?x=/y", Some("host"), "/", Some("x=/y")),
    ] {
        assert_eq!(
            parse("GET", target).unwrap(),
            (
                authority.map(str::to_owned),
                path.to_owned(),
                query.map(str::to_owned)
            ),
            "{target}"
        );
    }
    for target in [
        "ws",
        "host:80",
        "http://",
        "http:///ws",
        "ftp://host/",
        "/ws#top",
        "?x",
        "://h/",
    ] {
        assert_eq!(
            parse("GET", target).unwrap_err(),
            HeadError::Target,
            "{target}"
        );
    }
    assert!(parse("CONNECT", "host:80").is_ok());
}

#[test]
fn errors_are_told_in_sentences() {
    assert!(
        HeadError::TooManyHeaders
            .to_string()
            .contains(&HEADERS_MAX.to_string())
    );
    for error in [
        HeadError::ControlCharacter,
        HeadError::FirstLine,
        HeadError::HeaderLine,
        HeadError::Target,
        HeadError::TooLong,
    ] {
        assert!(error.to_string().ends_with('.'), "{error:?}");
    }
    assert!(Repeated.to_string().contains("more than once"));
}

#[test]
fn half_a_head_is_refused_by_the_parser() {
    for end in 0..HEAD.len() {
        assert!(Head::parse(&HEAD[..end]).is_err());
    }
}

/// Bytes that are nearly a head.
fn nearly_head() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            &b"GET / HTTP/1.1"[..], b"\r\n", b"\r\n\r\n", b"\r\n", b"Host: a", b"X:\ty", b" folded",
        ]).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
        1 => prop::sample::select(vec![&b"\r"[..], b"\n", b"\0", b"\n\r"]).prop_map(<[u8]>::to_vec),
    ];
    (any::<bool>(), proptest::collection::vec(piece, 0..10)).prop_map(|(proper, pieces)| {
        let start: &[u8] = if proper { b"GET / HTTP/1.1\r\n" } else { b"" };
        [start, &pieces.concat()].concat()
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_verdict(
        bytes in nearly_head(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        limit in 0_usize..120,
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = HeadScanner::default().scan(&bytes, limit);
        prop_assert_eq!(scan_cut(HeadScanner::default(), &bytes, cuts, limit).0, whole);
        if let Ok(Some(head_bytes)) = whole {
            prop_assert!(head_bytes <= limit);
            prop_assert!(bytes[..head_bytes].ends_with(b"\r\n\r\n"));
        }
    }
}
