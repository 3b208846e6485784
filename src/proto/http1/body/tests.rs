use super::*;
use proptest::prelude::*;

fn length(lines: &[&str]) -> Result<BodyLength, RequestRefusal> {
    length_of("HTTP/1.1", lines)
}

fn length_of(version: &str, lines: &[&str]) -> Result<BodyLength, RequestRefusal> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!("POST /ws {version}\r\nHost: a\r\n{lines}\r\n");
    BodyLength::of(&Head::parse(request.as_bytes()).unwrap())
}

/// What comes of bytes that arrive in pieces of this size: the body, and what follows it if it is whole.
fn decode(
    length: BodyLength,
    input: &[u8],
    piece_bytes: usize,
) -> Result<(Vec<u8>, Option<Vec<u8>>), BodyError> {
    let mut decoder = BodyDecoder::new(length);
    let (mut body, mut rest) = (Vec::new(), Vec::new());
    for mut piece in input.chunks(piece_bytes) {
        while let Some(part) = decoder.next(&mut piece)? {
            assert!(!part.is_empty());
            body.extend_from_slice(part);
        }
        assert!(piece.is_empty() || decoder.is_whole());
        rest.extend_from_slice(piece);
    }
    Ok((body, decoder.is_whole().then_some(rest)))
}

#[test]
fn a_length_is_said_in_one_way() {
    assert_eq!(length(&[]), Ok(BodyLength::Bytes(0)));
    assert_eq!(length(&["Content-Length: 17"]), Ok(BodyLength::Bytes(17)));
    for chunked in ["chunked", "Chunked", " chunked , "] {
        let line = format!("Transfer-Encoding: {chunked}");
        assert_eq!(length(&[&line]), Ok(BodyLength::Chunked), "{chunked}");
    }
    let both = ["Content-Length: 5", "Transfer-Encoding: chunked"];
    assert_eq!(length(&both), Err(RequestRefusal::BodyLength));
    assert_eq!(
        length_of("HTTP/1.0", &both[1..]),
        Err(RequestRefusal::BodyLength)
    );
    let twice = ["Content-Length: 5", "Content-Length: 5"];
    let repeated = RequestRefusal::Repeated("Content-Length");
    assert_eq!(length(&twice), Err(repeated));
}

#[test]
fn a_malformed_length_is_refused() {
    for text in ["", "+5", "-1", "5, 5", "0x5", "5 5", "99999999999999999999"] {
        let line = format!("Content-Length: {text}");
        let malformed = RequestRefusal::Malformed("Content-Length");
        assert_eq!(length(&[&line]), Err(malformed), "{text}");
    }
    for text in [
        "",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "identity",
        "xchunked",
    ] {
        let line = format!("Transfer-Encoding: {text}");
        let unknown = RequestRefusal::TransferCoding;
        assert_eq!(length(&[&line]), Err(unknown), "{text}");
    }
    let lines = ["Transfer-Encoding: chunked", "Transfer-Encoding: gzip"];
    assert_eq!(length(&lines), Err(RequestRefusal::TransferCoding));
}

#[test]
fn chunks_with_all_that_they_may_have() {
    let input = b"5\r\nhello\r\n1;name=\"value\"\r\n \r\n00a \t; x\r\n0123456789\r\n0;last\r\nTrailer: yes\r\n\r\nPOST";
    for piece_bytes in 1..input.len() {
        let (body, rest) = decode(BodyLength::Chunked, input, piece_bytes).unwrap();
        assert_eq!(body, b"hello 0123456789");
        assert_eq!(rest.as_deref(), Some(&b"POST"[..]));
    }
}

#[test]
fn broken_chunks_are_refused() {
    let long = format!("1;{}\r\n", "x".repeat(LINE_BYTES_MAX));
    let extensions = format!("1;{}\r\na\r\n", "x".repeat(4000)).repeat(5);
    let trailers = format!("0\r\n{}", "a: b\r\n".repeat(4097));
    for (input, error) in [
        ("\r\n", BodyError::ChunkSize),
        ("x\r\n", BodyError::ChunkSize),
        ("-1\r\n", BodyError::ChunkSize),
        (" 1\r\na\r\n", BodyError::ChunkSize),
        ("0x1\r\n", BodyError::ChunkSize),
        ("1 1\r\n", BodyError::ChunkSize),
        ("11111111111111111\r\n", BodyError::ChunkSize),
        ("1\r\nab\r\n", BodyError::ChunkEnd),
        ("1\r\na\n", BodyError::ControlCharacter),
        ("1\na\r\n", BodyError::ControlCharacter),
        ("1;\0\r\n", BodyError::ControlCharacter),
        ("1;a\nb\r\n", BodyError::ControlCharacter),
        ("1\r\r\n", BodyError::ControlCharacter),
        ("0\r\na: b\n\r\n", BodyError::ControlCharacter),
        (&long, BodyError::TooLong),
        (&extensions, BodyError::TooLong),
        (&trailers, BodyError::TooLong),
    ] {
        for piece_bytes in [1, 7, input.len()] {
            let decoded = decode(BodyLength::Chunked, input.as_bytes(), piece_bytes);
            assert_eq!(decoded, Err(error), "{}", &input[..input.len().min(20)]);
        }
    }
    // A line without end is not kept for ever.
    let endless = vec![b'1'; LINE_BYTES_MAX + 1];
    assert_eq!(
        decode(BodyLength::Chunked, &endless, 100),
        Err(BodyError::TooLong)
    );
}

proptest! {
    /// However it is cut into chunks and pieces, the body is what it was, and what follows it is left.
    #[test]
    fn what_was_sent_comes_out(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..10),
        rest in prop::collection::vec(any::<u8>(), 0..40),
        piece_bytes in 1usize..50,
    ) {
        let body = chunks.concat();
        let mut input = Vec::new();
        for chunk in &chunks {
            input.extend(format!("{:x}\r\n", chunk.len()).bytes());
            input.extend([&chunk[..], b"\r\n"].concat());
        }
        input.extend([b"0\r\n\r\n", &rest[..]].concat());
        let expected = (body.clone(), Some(rest.clone()));
        prop_assert_eq!(decode(BodyLength::Chunked, &input, piece_bytes), Ok(expected));
        let sized = [&body[..], &rest].concat();
        let length = BodyLength::Bytes(body.len() as u64);
        if !sized.is_empty() {
            let whole = decode(length, &sized, piece_bytes).unwrap();
            prop_assert_eq!(whole, (body, Some(rest)));
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(input: Vec<u8>, piece_bytes in 1usize..20) {
        let _ = decode(BodyLength::Chunked, &input, piece_bytes);
    }
}
